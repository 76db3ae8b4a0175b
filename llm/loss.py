"""The next-token loss: how surprised a model is by the true next token, in nats.

    loss = −ln p[target],   p = softmax(logits) = exp(logits) / Σ exp(logits)

A model that knows nothing gives every token p = 1 / d_vocab, a loss of ln d_vocab. Logits of 16 bits are cast to
float32 first; those of float32 and float64 are used as they are, and the loss and its gradient have their precision.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def next_token_loss(logits: Float[Tensor, "batch pos d_vocab"], targets: Int[Tensor, "batch pos"]) -> Float[Tensor, ""]:
    """The mean of the cross-entropy over batch and positions, in nats per token."""
    precise = _at_least_float32(logits).flatten(0, 1)  # [batch · pos, d_vocab]
    return nn.functional.cross_entropy(precise, targets.flatten())


def token_losses(logits: Float[Tensor, "*batch d_vocab"], targets: Int[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """The cross-entropy of each prediction, in nats."""
    precise = _at_least_float32(logits).movedim(-1, 1)  # torch expects the vocabulary second: [batch, d_vocab, pos]
    return nn.functional.cross_entropy(precise, targets.to(logits.device, torch.int64), reduction="none")


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
