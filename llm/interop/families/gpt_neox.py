"""GPT-NeoX and Pythia (Black et al. 2022, arXiv:2204.06745; Biderman et al. 2023, arXiv:2304.01373).

LayerNorm, biases, GELU, rotary positions over a part of each head, attention and MLP beside each other. Query, key and
value of a head lie behind each other, head by head, in one linear layer.
"""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families import gpt2
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import GgufArchitecture, require_plain_attention, rotary_sizes
from llm.interop.families.rotary import read_rotary, write_rotary
from llm.interop.families.weight import weight

ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_fast": "gelu_tanh", "relu": "relu"}
NAMES = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
LAYER = "gpt_neox.layers.{layer}"


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    fields.only("attention_bias", True)
    for name in ("attention_dropout", "hidden_dropout"):
        fields.only(name, 0.0, 0)
    fields.get("classifier_dropout")  # of a head that classifies texts, which no causal language model has
    width, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    return {
        **read_rotary(fields, theta="rotary_emb_base", fraction="rotary_pct", usual_fraction=0.25),
        "d_vocab": fields.integer("vocab_size"),
        "d_model": width,
        "n_layers": fields.integer("num_hidden_layers"),
        "n_heads": heads,
        "n_kv_heads": heads,
        "d_head": fields.quotient("hidden_size", "num_attention_heads"),
        "d_mlp": fields.integer("intermediate_size"),
        "n_ctx": fields.integer("max_position_embeddings"),
        "norm": "layernorm",
        "norm_eps": fields.number("layer_norm_eps", 1e-5),
        "activation": fields.choice("hidden_act", ACTIVATIONS, "gelu"),
        "tie_embeddings": fields.flag("tie_word_embeddings", False),
        "sublayers": "parallel" if fields.flag("use_parallel_residual", True) else "sequential",
        "bias": True,
    }


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    rotary = write_rotary(config)
    rotary["rope_parameters"]["partial_rotary_factor"] = config.rope_fraction
    return {
        **rotary,
        "rotary_pct": config.rope_fraction,
        "rotary_emb_base": config.rope_theta,
        "vocab_size": config.d_vocab,
        "hidden_size": config.d_model,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "intermediate_size": config.d_mlp,
        "max_position_embeddings": config.n_ctx,
        "layer_norm_eps": config.norm_eps,
        "hidden_act": NAMES.get(config.activation, "gelu"),
        "tie_word_embeddings": config.tie_embeddings,
        "use_parallel_residual": config.sublayers == "parallel",
        "attention_bias": True,
        "attention_dropout": 0.0,
        "hidden_dropout": 0.0,
    }


# one linear layer in llama.cpp as well, but all queries come first, then all keys, then all values
GGUF_AXES = {
    "attention.query_key_value.weight": "(part head d_head) d_model -> part head d_head d_model",
    "attention.query_key_value.bias": "(part head d_head) -> part head d_head",
}


def check_gguf(config: ModelConfig) -> None:
    """Raise ValueError for what llama.cpp's GPT-NeoX does not compute."""
    require_plain_attention(config)
    gpt2.require_gelu(config, "GPT-NeoX")


def gguf_settings(config: ModelConfig) -> dict[str, Any]:
    """llama.cpp's settings."""
    return rotary_sizes(config) | {
        "attention.layer_norm_epsilon": float(config.norm_eps),
        "use_parallel_residual": config.sublayers == "parallel",
    }


FAMILY = Family(
    label="GPT-NeoX, Pythia",
    architecture="GPTNeoXForCausalLM",
    read=read,
    write=write,
    weights=(
        weight("gpt_neox.embed_in.weight", "embed.W_E", "d_vocab d_model"),
        weight(f"{LAYER}.input_layernorm.weight", "~norm_attention.w", "d_model"),
        weight(f"{LAYER}.input_layernorm.bias", "~norm_attention.b", "d_model"),
        weight(f"{LAYER}.post_attention_layernorm.weight", "~norm_mlp.w", "d_model"),
        weight(f"{LAYER}.post_attention_layernorm.bias", "~norm_mlp.b", "d_model"),
        weight(f"{LAYER}.attention.query_key_value.weight", "~attention.W_Q ~attention.W_K ~attention.W_V",
               "(head part d_head) d_model -> part head d_head d_model"),
        weight(f"{LAYER}.attention.query_key_value.bias", "~attention.b_Q ~attention.b_K ~attention.b_V",
               "(head part d_head) -> part head d_head"),
        weight(f"{LAYER}.attention.dense.weight", "~attention.W_O", "d_model (head d_head) -> head d_head d_model"),
        weight(f"{LAYER}.attention.dense.bias", "~attention.b_O", "d_model"),
        weight(f"{LAYER}.mlp.dense_h_to_4h.weight", "~mlp.W_in", "d_mlp d_model -> d_model d_mlp"),
        weight(f"{LAYER}.mlp.dense_h_to_4h.bias", "~mlp.b_in", "d_mlp"),
        weight(f"{LAYER}.mlp.dense_4h_to_h.weight", "~mlp.W_out", "d_model d_mlp -> d_mlp d_model"),
        weight(f"{LAYER}.mlp.dense_4h_to_h.bias", "~mlp.b_out", "d_model"),
        weight("gpt_neox.final_layer_norm.weight", "final_norm.w", "d_model"),
        weight("gpt_neox.final_layer_norm.bias", "final_norm.b", "d_model"),
        weight("embed_out.weight", "unembed.W_U", "d_vocab d_model -> d_model d_vocab"),
    ),
    prefix="gpt_neox.",
    gguf=GgufArchitecture(
        "gptneox", gguf_settings, check_gguf, GGUF_AXES, needs_unembedding=True,
        note="llama.cpp computes GELU in its tanh form, which differs from the exact one by less than 0.0005.",
    ),
    buffers=r"layers\.\d+\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)",
)  # fmt: skip
