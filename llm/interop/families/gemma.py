"""Gemma (Gemma Team 2024, arXiv:2403.08295): Llama with GeGLU, tied and enlarged embeddings.

Its norms multiply by 1 + γ, so the γ here is one more than the number in its files.
"""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families import llama
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import GgufArchitecture, require_plain_attention, rotary_sizes
from llm.interop.families.rotary import read_rotary, write_rotary
from llm.interop.families.weight import Weight, weight

ACTIVATION = "gelu_pytorch_tanh"
ACTIVATIONS = {ACTIVATION: "geglu", "gelu": "geglu"}  # in old files "gelu" stands for its tanh form, too
EMBEDDINGS: tuple[Weight, ...] = (
    weight("model.embed_tokens.weight", "embed.W_E", "d_vocab d_model"),
    weight("model.norm.weight", "final_norm.w", "d_model", plus=1),
    weight("lm_head.weight", "unembed.W_U", "d_vocab d_model -> d_model d_vocab"),
)


def read_common(fields: Fields, activation: str) -> dict[str, Any]:
    """ModelConfig's fields that Gemma 1 and 2 share; `activation` is the field of the MLP's activation."""
    fields.only("attention_bias", False)
    fields.only("use_bidirectional_attention", None, False)
    return {
        **llama.read_sizes(fields, activation, ACTIVATIONS),
        **read_rotary(fields),
        "d_head": fields.integer("head_dim", 256),
        "tie_embeddings": fields.flag("tie_word_embeddings", True),
        "norm": "rmsnorm",
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "scale_embeddings": True,
        "bias": False,
    }


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    fields.only("hidden_activation", None, ACTIVATION)  # beside hidden_act in some files
    return read_common(fields, "hidden_act") | {"n_kv_heads": fields.integer("num_key_value_heads", 16)}


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **llama.write_sizes(config),
        **write_rotary(config),
        "hidden_act": ACTIVATION,
        "rms_norm_eps": config.norm_eps,
        "attention_bias": False,
    }


def check_gguf(config: ModelConfig) -> None:
    """Raise ValueError for what llama.cpp's Gemma does not compute."""
    require_plain_attention(config)
    require_tied(config)


def require_tied(config: ModelConfig) -> None:
    """Raise ValueError for an unembedding of its own, which llama.cpp's Gemma 1 and 2 do not have."""
    if not config.tie_embeddings:
        raise ValueError("llama.cpp's Gemma has no tie_embeddings=False")


FAMILY = Family(
    label="Gemma",
    architecture="GemmaForCausalLM",
    read=read,
    write=write,
    weights=(
        *EMBEDDINGS,
        *llama.ATTENTION,
        *llama.MLP,
        weight(f"{llama.LAYER}.input_layernorm.weight", "~norm_attention.w", "d_model", plus=1),
        weight(f"{llama.LAYER}.post_attention_layernorm.weight", "~norm_mlp.w", "d_model", plus=1),
    ),
    prefix=llama.FAMILY.prefix,
    gguf=GgufArchitecture("gemma", rotary_sizes, check_gguf),
    buffers=llama.FAMILY.buffers,
)
