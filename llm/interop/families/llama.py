"""Llama 1 to 3 (Touvron et al. 2023, arXiv:2302.13971): rotary positions, RMSNorm, SwiGLU, mostly no biases.

Queries and keys are rotated in pairs (i, i + d_head/2), here as there: nothing has to be permuted.
"""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import NEIGHBOURS, GgufArchitecture, require_plain_attention, rotary_sizes
from llm.interop.families.rotary import read_rotary, write_rotary
from llm.interop.families.weight import Weight, weight

ACTIVATIONS = {"silu": "swiglu", "swish": "swiglu"}
LAYER = "model.layers.{layer}"
LINEAR = "d_mlp d_model -> d_model d_mlp"
BUFFERS = r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq|rotary_emb\.inv_freq"

EMBEDDINGS: tuple[Weight, ...] = (
    weight("model.embed_tokens.weight", "embed.W_E", "d_vocab d_model"),
    weight("model.norm.weight", "final_norm.w", "d_model"),
    weight("lm_head.weight", "unembed.W_U", "d_vocab d_model -> d_model d_vocab"),
)
ATTENTION: tuple[Weight, ...] = (
    weight(f"{LAYER}.self_attn.q_proj.weight", "~attention.W_Q", "(head d_head) d_model -> head d_head d_model"),
    weight(f"{LAYER}.self_attn.k_proj.weight", "~attention.W_K", "(kv_head d_head) d_model -> kv_head d_head d_model"),
    weight(f"{LAYER}.self_attn.v_proj.weight", "~attention.W_V", "(kv_head d_head) d_model -> kv_head d_head d_model"),
    weight(f"{LAYER}.self_attn.o_proj.weight", "~attention.W_O", "d_model (head d_head) -> head d_head d_model"),
    weight(f"{LAYER}.self_attn.q_proj.bias", "~attention.b_Q", "(head d_head) -> head d_head"),
    weight(f"{LAYER}.self_attn.k_proj.bias", "~attention.b_K", "(kv_head d_head) -> kv_head d_head"),
    weight(f"{LAYER}.self_attn.v_proj.bias", "~attention.b_V", "(kv_head d_head) -> kv_head d_head"),
    weight(f"{LAYER}.self_attn.o_proj.bias", "~attention.b_O", "d_model"),
)
MLP: tuple[Weight, ...] = (
    weight(f"{LAYER}.mlp.up_proj.weight", "~mlp.W_in", LINEAR),
    weight(f"{LAYER}.mlp.gate_proj.weight", "~mlp.W_gate", LINEAR),
    weight(f"{LAYER}.mlp.down_proj.weight", "~mlp.W_out", "d_model d_mlp -> d_mlp d_model"),
    weight(f"{LAYER}.mlp.up_proj.bias", "~mlp.b_in", "d_mlp"),
    weight(f"{LAYER}.mlp.gate_proj.bias", "~mlp.b_gate", "d_mlp"),
    weight(f"{LAYER}.mlp.down_proj.bias", "~mlp.b_out", "d_model"),
)
NORMS: tuple[Weight, ...] = (
    weight(f"{LAYER}.input_layernorm.weight", "~norm_attention.w", "d_model"),
    weight(f"{LAYER}.post_attention_layernorm.weight", "~norm_mlp.w", "d_model"),
)


def read_sizes(fields: Fields, activation: str = "hidden_act", known: dict[str, str] = ACTIVATIONS) -> dict[str, Any]:
    """ModelConfig's fields that all families with Llama's names for them share.

    `activation`: the field of the MLP's activation. `known`: what its values mean, the usual one first.
    """
    heads, given = fields.integer("num_attention_heads"), fields.get("head_dim") is not None
    fields.only("attention_dropout", 0.0, 0)
    fields.get("pretraining_tp")  # in how many parts the same products are computed
    return {
        "d_vocab": fields.integer("vocab_size"),
        "d_model": fields.integer("hidden_size"),
        "n_layers": fields.integer("num_hidden_layers"),
        "n_heads": heads,
        "n_kv_heads": fields.integer("num_key_value_heads", heads),
        "d_head": fields.integer("head_dim") if given else fields.quotient("hidden_size", "num_attention_heads"),
        "d_mlp": fields.integer("intermediate_size"),
        "n_ctx": fields.integer("max_position_embeddings"),
        "activation": fields.choice(activation, known, next(iter(known))),
        "tie_embeddings": fields.flag("tie_word_embeddings", False),
    }


def write_sizes(config: ModelConfig) -> dict[str, Any]:
    """The same fields of config.json."""
    return {
        "vocab_size": config.d_vocab,
        "hidden_size": config.d_model,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.d_head,
        "intermediate_size": config.d_mlp,
        "max_position_embeddings": config.n_ctx,
        "hidden_act": "silu",
        "tie_word_embeddings": config.tie_embeddings,
        "attention_dropout": 0.0,
    }


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    bias = fields.flag("attention_bias", False)
    if fields.flag("mlp_bias", False) != bias:
        raise ValueError("its attention_bias and mlp_bias differ, which cannot be represented here")
    return {
        **read_sizes(fields),
        **read_rotary(fields),
        "norm": "rmsnorm",
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "bias": bias,
    }


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **write_sizes(config),
        **write_rotary(config),
        "rms_norm_eps": config.norm_eps,
        "attention_bias": config.bias,
        "mlp_bias": config.bias,
    }


FAMILY = Family(
    label="Llama",
    architecture="LlamaForCausalLM",
    read=read,
    write=write,
    weights=EMBEDDINGS + NORMS + ATTENTION + MLP,
    prefix="model.",
    gguf=GgufArchitecture("llama", rotary_sizes, require_plain_attention, NEIGHBOURS),
    buffers=BUFFERS,
)
