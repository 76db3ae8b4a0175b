"""Evaluation mode: dropout is off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; afterwards the model is in the mode in which it was."""
    training = model.training
    if training:  # switching modes costs as much as one token of a small model
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()
