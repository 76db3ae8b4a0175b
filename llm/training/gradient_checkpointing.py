"""Gradient checkpointing: less memory for one more forward pass (Chen et al. 2016, arXiv:1604.06174).

A backward pass needs what the forward pass computed. Usually all of it is saved. Here only the input of each block is;
when the backward pass comes to a block, it computes the block again from its input, with the same random numbers, so
that loss and gradients are the same bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from llm.layers.block import Block
from llm.model import Transformer


class RecomputedBlock(Block):
    """A block of which only the input is saved for the backward pass."""

    def forward(self, resid: Tensor, *others: Any) -> Tensor:
        """The block's own forward pass."""
        if not torch.is_grad_enabled():
            return super().forward(resid, *others)
        again: Tensor = checkpoint(super().forward, resid, *others, use_reentrant=False)
        return again


def recompute_blocks(model: Transformer) -> None:
    """Let the model's blocks save their inputs only; their parameters and results stay as they are."""
    for block in model.blocks:
        block.__class__ = RecomputedBlock
