"""The mask of a layer that a config asks for."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from llm.config import ModelConfig
from llm.layers.mask import REGISTRY


def build_mask(config: ModelConfig) -> Callable[..., Tensor]:
    """The condition by which keys are hidden, of (distance, window or None)."""
    hidden: Callable[..., Tensor] = REGISTRY[config.mask].hidden()
    return hidden
