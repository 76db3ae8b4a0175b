"""Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv:2407.10671): Llama with biases of queries, keys and values."""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families import llama
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import GgufArchitecture, require_whole_width, rotary_sizes
from llm.interop.families.qwen3 import require_no_windows
from llm.interop.families.rotary import read_rotary, write_rotary


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    require_no_windows(fields)
    return {
        **llama.read_sizes(fields),
        **read_rotary(fields),
        "n_kv_heads": fields.integer("num_key_value_heads", 32),
        "norm": "rmsnorm",
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "bias": False,
        "qkv_bias": True,
    }


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **llama.write_sizes(config),
        **write_rotary(config),
        "rms_norm_eps": config.norm_eps,
        "use_sliding_window": False,
    }


FAMILY = Family(
    label="Qwen2",
    architecture="Qwen2ForCausalLM",
    read=read,
    write=write,
    weights=llama.FAMILY.weights,
    prefix=llama.FAMILY.prefix,
    gguf=GgufArchitecture("qwen2", rotary_sizes, require_whole_width),
    buffers=llama.FAMILY.buffers,
)
