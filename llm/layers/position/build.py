"""The position layer that a config asks for."""

from __future__ import annotations

from torch import nn

from llm.config import Implementation, ModelConfig
from llm.layers.position import REGISTRY, ActsOn


def build_position(config: ModelConfig, implementation: Implementation, acts_on: ActsOn) -> nn.Module | None:
    """The layer of the config's position scheme, if that is one that acts here; else None."""
    entry = REGISTRY[config.positional]
    if entry.acts_on != acts_on:
        return None
    layer: nn.Module = entry.classes(implementation)(config)
    return layer
