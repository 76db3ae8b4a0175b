"""AdamW, one step, to be read. Training uses torch's fused one; a test shows that they agree.

Loshchilov & Hutter 2017, arXiv:1711.05101:

    m ← β₁ m + (1 − β₁) g              running mean of the gradient: where it points lately
    v ← β₂ v + (1 − β₂) g²             running mean of its square: how large it usually is
    m̂ = m / (1 − β₁ᵗ)                  both start at 0; this makes up for it
    v̂ = v / (1 − β₂ᵗ)
    θ ← θ − η λ θ                      weight decay, apart from the gradient: the W in AdamW
    θ ← θ − η m̂ / (√v̂ + ε)             every weight moves by about η, whatever the size of its gradient
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def adamw_step(
    weight: Tensor,
    gradient: Tensor,
    mean: Tensor,
    mean_square: Tensor,
    step: int,
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
    eps: float = 1e-8,
) -> None:
    """Update `weight`, `mean` (m) and `mean_square` (v), all of one shape, in place. `step` counts from 1."""
    mean.mul_(beta1).add_((1 - beta1) * gradient)
    mean_square.mul_(beta2).add_((1 - beta2) * gradient**2)
    unbiased_mean = mean / (1 - beta1**step)
    unbiased_mean_square = mean_square / (1 - beta2**step)
    weight.sub_(learning_rate * weight_decay * weight)
    weight.sub_(learning_rate * unbiased_mean / (unbiased_mean_square.sqrt() + eps))
