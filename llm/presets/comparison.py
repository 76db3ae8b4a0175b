"""Presets beside each other: the fields in which they differ, and why each has what it has."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm.config import ModelConfig
from llm.layers.unread import unread_fields
from llm.presets import ARCHITECTURES, preset
from llm.registry import REGISTRY_MODULES, registry

LEAST, MOST = 2, 4  # presets in a comparison
FIRST = ("gpt2", "llama3", "gemma")  # of the page, until a reader chooses
UNREAD = "—"
USUAL_VOCABULARY = 2048  # a size for which widths are computed; no row depends on it


@dataclass(frozen=True)
class Row:
    """A field in which presets differ. `values` and `reasons` are in the order of the presets."""

    field: str
    values: tuple[str, ...]  # as a reader sees them; a dash where a model does not read the field
    reasons: tuple[str, ...]  # with the paper; empty where there is nothing to say


def compare_presets(names: Sequence[str], size: str) -> list[Row]:
    """The rows in which these presets of one size differ, in the order of the config's fields.

    Raises:
        ValueError: fewer than two presets, more than four, one twice, or an unknown preset or size.
    """
    if not LEAST <= len(names) <= MOST or len(set(names)) < len(names):
        raise ValueError(f"presets must be {LEAST} to {MOST} different ones, got {', '.join(names) or 'none'}")
    configs = [preset(name, size, d_vocab=USUAL_VOCABULARY) for name in names]
    unread = [unread_fields(config) for config in configs]
    rows = []
    for field in (field.name for field in dataclasses.fields(ModelConfig)):
        read = [field not in ignored for ignored in unread]
        pairs = list(zip(names, configs, read, strict=True))
        values = tuple(_in_words(field, getattr(config, field)) if has else UNREAD for _, config, has in pairs)
        if len(set(values)) > 1:
            reasons = tuple(_reason(name, field, getattr(config, field)) if has else "" for name, config, has in pairs)
            rows.append(Row(field, values, reasons))
    return rows


def _in_words(field: str, value: Any) -> str:
    if field in REGISTRY_MODULES:
        return str(registry(field)[value].label)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str):
        return value or "off"
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.15g}"


def _reason(name: str, field: str, value: Any) -> str:
    """The recipe's own reason for a part that it has; else that of the part in general."""
    if value is None or (value is False and not field.endswith(("bias", "embeddings"))):
        return ""
    recipe = ARCHITECTURES[name]
    if recipe.fields.get(field, value) != value:  # a size has another
        return ""
    own = recipe.reasons.get(field)
    if own is not None or field not in REGISTRY_MODULES:
        return own or ""
    return str(registry(field)[value].why)
