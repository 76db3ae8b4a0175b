"""Architectures × sizes: filled-in configurations to start from.

An architecture names a recipe (positions, norm, activation, biases), a size names widths and depth, and where the
context is short its rotary base. No layer sees either name: `preset` returns a plain `ModelConfig` in which every field
can be changed.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

from llm.config import ModelConfig
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.presets.architectures import ARCHITECTURES, COURSE

__all__ = ["ARCHITECTURES", "COURSE", "DERIVED", "DESCRIPTIONS", "SIZES", "SIZE_DESCRIPTIONS", "TITLES",
           "changed_fields", "preset"]  # fmt: skip

DESCRIPTIONS = {name: architecture.description for name, architecture in ARCHITECTURES.items()}
TITLES = {name: architecture.title for name, architecture in ARCHITECTURES.items()}

SIZES: dict[str, dict[str, float]] = {
    # rope_theta: with the usual 10,000 most pairs would hardly rotate within 128 positions
    "small": {"d_model": 128, "n_layers": 3, "n_heads": 4, "n_ctx": 128, "rope_theta": 100.0},
    "medium": {"d_model": 384, "n_layers": 6, "n_heads": 6, "n_ctx": 256},
    "full": {"d_model": 768, "n_layers": 12, "n_heads": 12, "n_ctx": 1024},
}

SIZE_DESCRIPTIONS = {
    "small": "Talks after a minute on a laptop's CPU.",
    "medium": "A laptop over lunch, a GPU in minutes.",
    "full": "GPT-2 small's shape: for a GPU.",
}


DERIVED = ("d_head", "n_kv_heads", "d_mlp", "window")  # what `preset` derives from other fields


def preset(architecture: str, size: str = "small", **overrides: Any) -> ModelConfig:
    """A `ModelConfig` of this architecture and size; keyword arguments override fields (`d_vocab` is always needed).

    Widths that are not given follow from those that are: d_head = d_model / n_heads, n_kv_heads = n_heads or, for an
    architecture that groups them, n_heads / group, and d_mlp = 4 · d_model, or for a gated activation, which has three
    matrices instead of two, 8/3 · d_model rounded up to a multiple of 16 (Shazeer 2020, arXiv:2002.05202), so that
    architectures compare at about equal size. Windows of attention and widths of narrow experts are the architecture's
    fractions of n_ctx and d_model.

    Raises:
        ValueError: unknown architecture, size or field, or a combination that `ModelConfig` refuses.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture must be one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    if size not in SIZES:
        raise ValueError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
    known = [field.name for field in dataclasses.fields(ModelConfig)]
    for name in overrides:
        if name not in known:
            raise ValueError(f"{name} is not a field of ModelConfig; its fields are {', '.join(known)}")
    if "d_vocab" not in overrides:
        raise ValueError("d_vocab is missing: a preset needs the tokenizer's vocabulary size, as in d_vocab=65")
    recipe = ARCHITECTURES[architecture]
    fields = recipe.fields | SIZES[size] | overrides
    width, heads = fields["d_model"], fields["n_heads"]
    if isinstance(width, int) and isinstance(heads, int) and heads > 0:
        if "d_head" not in overrides:
            if width % heads:
                raise ValueError(f"n_heads must divide d_model={width} unless d_head is given, got {heads!r}")
            fields["d_head"] = width // heads
        gated = ACTIVATIONS[fields["activation"]].gated
        if recipe.expert_width is not None:
            fields.setdefault("d_mlp", max(1, round(recipe.expert_width * width)))
        fields.setdefault("d_mlp", -(-8 * width // (3 * 16)) * 16 if gated else 4 * width)
        fields.setdefault("n_kv_heads", _key_value_heads(heads, recipe.group))
    if recipe.window is not None and isinstance(fields["n_ctx"], int):
        fields.setdefault("window", max(1, round(recipe.window * fields["n_ctx"])))
    return ModelConfig(**fields)


def _key_value_heads(heads: int, group: int) -> int:
    """The fewest key/value heads, two or more, of which each serves the same number of query heads, at most `group`."""
    return next(count for count in range(1, heads + 1) if heads % count == 0
                and heads // count <= group and count >= min(2, heads))  # fmt: skip


def changed_fields(model: ModelConfig, architecture: str, size: str) -> dict[str, Any]:
    """The fields in which a model differs from its preset, with the model's values. Raises as `preset`."""
    start = _start(architecture, size, model.d_vocab)
    fields = (field.name for field in dataclasses.fields(ModelConfig))
    return {name: getattr(model, name) for name in fields if getattr(model, name) != getattr(start, name)}


@lru_cache(1000)
def _start(architecture: str, size: str, d_vocab: int) -> ModelConfig:
    """The preset, kept for the many runs of a list."""
    return preset(architecture, size, d_vocab=d_vocab)
