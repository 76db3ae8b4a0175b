"""Mistral (Jiang et al. 2023, arXiv:2310.06825): Llama with grouped heads and a sliding window."""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families import llama
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.rotary import read_rotary, write_rotary

USUAL_WINDOW = 4096  # of a config.json that names none; null there means no window


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    return {
        **llama.read_sizes(fields),
        **read_rotary(fields),
        **read_window(fields, USUAL_WINDOW),
        "n_kv_heads": fields.integer("num_key_value_heads", 8),
        "norm": "rmsnorm",
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "bias": False,
    }


def read_window(fields: Fields, usual: int | None) -> dict[str, Any]:
    """The mask: a sliding window, or none; `usual` is the window of a config.json that names none."""
    if fields.get("sliding_window", usual if "sliding_window" not in fields.content else None) is None:
        return {}
    return {"mask": "sliding", "window": fields.integer("sliding_window", usual)}


def write_window(config: ModelConfig) -> dict[str, Any]:
    """The same field of config.json."""
    return {"sliding_window": config.window if config.mask == "sliding" else None}


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **llama.write_sizes(config),
        **write_rotary(config),
        "rms_norm_eps": config.norm_eps,
        **write_window(config),
    }


FAMILY = Family(
    label="Mistral",
    architecture="MistralForCausalLM",
    read=read,
    write=write,
    weights=llama.FAMILY.weights,
    prefix=llama.FAMILY.prefix,
    gguf=llama.FAMILY.gguf,
    buffers=llama.FAMILY.buffers,
)
