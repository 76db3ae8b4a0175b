"""GPT-2 (Radford et al. 2019): learned positions, LayerNorm, GELU in its tanh form, biases, tied embeddings.

Its linear layers ("Conv1D") store [in, out], and queries, keys and values lie beside each other in one of them.
"""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import GgufArchitecture, sizes
from llm.interop.families.weight import weight

ACTIVATIONS = {
    "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh", "gelu": "gelu", "relu": "relu",
}  # fmt: skip
NAMES = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
LAYER = "transformer.h.{layer}"


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    fields.only("scale_attn_weights", True)
    fields.only("scale_attn_by_inverse_layer_idx", False)
    fields.only("reorder_and_upcast_attn", False)
    for name in ("summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
                 "summary_use_proj"):  # fmt: skip
        fields.get(name)  # of a head that classifies texts, which no causal language model has
    width, heads, positions = (fields.integer(name) for name in ("n_embd", "n_head", "n_positions"))
    if fields.get("n_ctx", positions) != positions:
        raise ValueError(f"its n_ctx must be its n_positions, {positions}, got {fields.content['n_ctx']!r:.40}")
    return {
        "d_vocab": fields.integer("vocab_size"),
        "d_model": width,
        "n_layers": fields.integer("n_layer"),
        "n_heads": heads,
        "n_kv_heads": heads,
        "d_head": fields.quotient("n_embd", "n_head"),
        "d_mlp": fields.integer("n_inner", 4 * width),
        "n_ctx": positions,
        "positional": "learned",
        "norm": "layernorm",
        "norm_eps": fields.number("layer_norm_epsilon", 1e-5),
        "activation": fields.choice("activation_function", ACTIVATIONS, "gelu_new"),
        "tie_embeddings": fields.flag("tie_word_embeddings", True),
        "bias": True,
        "dropout": fields.dropout("resid_pdrop", "embd_pdrop", "attn_pdrop"),
    }


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), config.dropout)
    return {
        "vocab_size": config.d_vocab,
        "n_embd": config.d_model,
        "n_layer": config.n_layers,
        "n_head": config.n_heads,
        "n_inner": config.d_mlp,
        "n_positions": config.n_ctx,
        "layer_norm_epsilon": config.norm_eps,
        "activation_function": NAMES.get(config.activation, "gelu_new"),
        "tie_word_embeddings": config.tie_embeddings,
        **dropout,
    }


# llama.cpp has ordinary linear layers, which store [out, in]
GGUF_AXES = {
    "attn.c_attn.weight": "(part head d_head) d_model -> part head d_head d_model",
    "attn.c_proj.weight": "d_model (head d_head) -> head d_head d_model",
    "mlp.c_fc.weight": "d_mlp d_model -> d_model d_mlp",
    "mlp.c_proj.weight": "d_model d_mlp -> d_mlp d_model",
}


def check_gguf(config: ModelConfig) -> None:
    """Raise ValueError for what llama.cpp's GPT-2 does not compute."""
    require_gelu(config, "GPT-2")


def require_gelu(config: ModelConfig, label: str) -> None:
    """Raise ValueError for another activation in a family that llama.cpp has with GELU only."""
    if config.activation not in ("gelu", "gelu_tanh"):
        raise ValueError(f"llama.cpp's {label} has GELU alone, and this model has activation={config.activation!r}")


def gguf_settings(config: ModelConfig) -> dict[str, Any]:
    """llama.cpp's settings."""
    return sizes(config) | {"attention.layer_norm_epsilon": float(config.norm_eps)}


FAMILY = Family(
    label="GPT-2",
    architecture="GPT2LMHeadModel",
    read=read,
    write=write,
    weights=(
        weight("transformer.wte.weight", "embed.W_E", "d_vocab d_model"),
        weight("transformer.wpe.weight", "positions.W_pos", "n_ctx d_model"),
        weight(f"{LAYER}.ln_1.weight", "~norm_attention.w", "d_model"),
        weight(f"{LAYER}.ln_1.bias", "~norm_attention.b", "d_model"),
        weight(f"{LAYER}.attn.c_attn.weight", "~attention.W_Q ~attention.W_K ~attention.W_V",
               "d_model (part head d_head) -> part head d_head d_model"),
        weight(f"{LAYER}.attn.c_attn.bias", "~attention.b_Q ~attention.b_K ~attention.b_V",
               "(part head d_head) -> part head d_head"),
        weight(f"{LAYER}.attn.c_proj.weight", "~attention.W_O", "(head d_head) d_model -> head d_head d_model"),
        weight(f"{LAYER}.attn.c_proj.bias", "~attention.b_O", "d_model"),
        weight(f"{LAYER}.ln_2.weight", "~norm_mlp.w", "d_model"),
        weight(f"{LAYER}.ln_2.bias", "~norm_mlp.b", "d_model"),
        weight(f"{LAYER}.mlp.c_fc.weight", "~mlp.W_in", "d_model d_mlp"),
        weight(f"{LAYER}.mlp.c_fc.bias", "~mlp.b_in", "d_mlp"),
        weight(f"{LAYER}.mlp.c_proj.weight", "~mlp.W_out", "d_mlp d_model"),
        weight(f"{LAYER}.mlp.c_proj.bias", "~mlp.b_out", "d_model"),
        weight("transformer.ln_f.weight", "final_norm.w", "d_model"),
        weight("transformer.ln_f.bias", "final_norm.b", "d_model"),
        weight("lm_head.weight", "unembed.W_U", "d_vocab d_model -> d_model d_vocab"),
    ),
    prefix="transformer.",
    gguf=GgufArchitecture(
        "gpt2", gguf_settings, check_gguf, GGUF_AXES,
        note="llama.cpp computes GELU in its tanh form, which differs from the exact one by less than 0.0005.",
    ),
    buffers=r"h\.\d+\.attn\.(bias|masked_bias)",
)  # fmt: skip
