"""Qwen3 (Yang et al. 2025, arXiv:2505.09388): Llama with normalised queries and keys, each head by itself."""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families import llama
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import GgufArchitecture, require_plain_attention, rotary_sizes
from llm.interop.families.rotary import read_rotary, write_rotary
from llm.interop.families.weight import weight

LAYER = llama.LAYER


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    fields.only("attention_bias", False)
    require_no_windows(fields)
    return {
        **llama.read_sizes(fields),
        **read_rotary(fields),
        "n_kv_heads": fields.integer("num_key_value_heads", 32),
        "d_head": fields.integer("head_dim", 128),
        "norm": "rmsnorm",
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "qk_norm": True,
        "bias": False,
    }


def require_no_windows(fields: Fields) -> None:
    """Raise ValueError for a model in which some layers see a window only, counted as none here are."""
    fields.only("use_sliding_window", False)
    fields.get("sliding_window")  # these two say nothing without use_sliding_window
    fields.get("max_window_layers")
    if set(fields.get("layer_types", ())) - {"full_attention"}:
        raise ValueError("its layer_types with other than full_attention cannot be represented here")


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **llama.write_sizes(config),
        **write_rotary(config),
        "rms_norm_eps": config.norm_eps,
        "attention_bias": False,
        "use_sliding_window": False,
    }


FAMILY = Family(
    label="Qwen3",
    architecture="Qwen3ForCausalLM",
    read=read,
    write=write,
    weights=(
        *llama.FAMILY.weights,
        weight(f"{LAYER}.self_attn.q_norm.weight", "~attention.norm_query.w", "d_head"),
        weight(f"{LAYER}.self_attn.k_norm.weight", "~attention.norm_key.w", "d_head"),
    ),
    prefix=llama.FAMILY.prefix,
    gguf=GgufArchitecture("qwen3", rotary_sizes, require_plain_attention),
    buffers=llama.FAMILY.buffers,
)
