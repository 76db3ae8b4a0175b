"""The first OLMo (Groeneveld et al. 2024, arXiv:2402.00838): Llama with a LayerNorm without parameters."""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families import llama
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import NEIGHBOURS, GgufArchitecture, require_whole_width, rotary_sizes
from llm.interop.families.rotary import read_rotary, write_rotary


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    fields.only("attention_bias", False)
    fields.only("clip_qkv", None)
    return {
        **llama.read_sizes(fields),
        **read_rotary(fields),
        "norm": "nonparametric",
        "norm_eps": 1e-5,  # always
        "bias": False,
    }


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {**llama.write_sizes(config), **write_rotary(config), "attention_bias": False, "clip_qkv": None}


def gguf_settings(config: ModelConfig) -> dict[str, Any]:
    """llama.cpp's settings."""
    return rotary_sizes(config) | {"attention.layer_norm_epsilon": float(config.norm_eps)}


FAMILY = Family(
    label="OLMo",
    architecture="OlmoForCausalLM",
    read=read,
    write=write,
    weights=llama.FAMILY.weights,
    prefix=llama.FAMILY.prefix,
    gguf=GgufArchitecture("olmo", gguf_settings, require_whole_width, NEIGHBOURS),
    buffers=llama.FAMILY.buffers,
)
