"""Configurations that the tests of models share: every option of a model together with every other."""

import functools
from typing import Any

import pytest
from covering_arrays import covering_rows

from llm.config import ModelConfig, describe
from llm.presets import ARCHITECTURES, preset

IMPLEMENTATIONS = ("einops", "torch", "fused")

# Every size differs from every other, so that a shape or a comment that mixes up two axes cannot pass.
SIZES = {
    "d_vocab": 31,
    "d_model": 24,
    "n_layers": 2,
    "n_heads": 6,
    "n_kv_heads": 3,
    "d_head": 8,
    "d_mlp": 20,
    "n_ctx": 16,
}

BASE = ModelConfig(**SIZES)

# Multi-head, grouped-query and multi-query attention, and each field of a config that names a variant or is a switch.
OPTIONS: dict[str, tuple[Any, ...]] = {"n_kv_heads": (6, 3, 1)} | {
    name: field.choices or (False, True)
    for name, field in describe(ModelConfig).items()
    if field.choices or field.kind is bool
}

PRESETS = [preset(name, d_vocab=31, d_model=24, n_heads=6, n_layers=2, n_ctx=16) for name in ARCHITECTURES]


@functools.cache
def _rows(strength: int) -> list[dict[str, Any]]:
    return covering_rows(OPTIONS, strength)


def component_configs(strength: int = 2, **fields: Any) -> list[ModelConfig]:
    """Every two (or three: `strength`) values of different options together in some config, in as few as that takes.

    Args:
        strength: 2 for most properties; 3 where formulas have a case for three options at once.
        fields: What else all of them have, sizes or options; these override.
    """
    return [ModelConfig(**(SIZES | row | fields)) for row in _rows(strength)]


def two_configs() -> list[ModelConfig]:
    """For what does not depend on the architecture: the base, and one that differs from it in every option."""
    other = {
        name: next(value for value in reversed(values) if value != getattr(BASE, name))
        for name, values in OPTIONS.items()
    }
    return [BASE, ModelConfig(**(SIZES | other))]


def config_name(config: ModelConfig) -> str:
    """What a test's id shows of a config."""
    parts = [config.positional, f"kv{config.n_kv_heads}", config.norm, config.norm_position, config.activation]
    parts += [config.sublayers]
    parts += ["bias"] * config.bias + ["qk"] * config.qk_norm + ["tied"] * config.tie_embeddings
    return "-".join(parts)


every_config = pytest.mark.parametrize("config", component_configs() + PRESETS, ids=config_name)
two_or_three_configs = pytest.mark.parametrize("config", two_configs(), ids=config_name)
