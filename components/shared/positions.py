"""What a view's script needs to know about a model's position scheme."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from llm.config import ModelConfig
from llm.layers.position import REGISTRY


def positions_data(config: ModelConfig) -> dict[str, Any]:
    """Its names, where it acts, whether it is learned, and the caption of its distance curves (null: it has none)."""
    scheme = REGISTRY[config.positional]
    return {
        "label": scheme.label,
        "title": scheme.title,
        "actsOn": scheme.acts_on,
        "learned": scheme.parameters(config) > 0,
        "curves": asdict(scheme.curves) if scheme.curves else None,
    }
