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
    windowed = (
        fields.get("sliding_window", USUAL_WINDOW if "sliding_window" not in fields.content else None) is not None
    )
    window = {"mask": "sliding", "window": fields.integer("sliding_window", USUAL_WINDOW)} if windowed else {}
    return {
        **llama.read_sizes(fields),
        **read_rotary(fields),
        **window,
        "n_kv_heads": fields.integer("num_key_value_heads", 8),
        "norm": "rmsnorm",
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "bias": False,
    }


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **llama.write_sizes(config),
        **write_rotary(config),
        "rms_norm_eps": config.norm_eps,
        "sliding_window": config.window if config.mask == "sliding" else None,
    }


FAMILY = Family(
    label="Mistral",
    architecture="MistralForCausalLM",
    read=read,
    write=write,
    weights=llama.FAMILY.weights,
    prefix=llama.FAMILY.prefix,
    buffers=llama.FAMILY.buffers,
)
