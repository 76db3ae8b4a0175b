"""Position numbers, and the angles by which sine waves and rotations encode them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def position_numbers(start: int, count: int, like: Tensor) -> Float[Tensor, " pos"]:
    """Positions start, start + 1, … in at least float32: bfloat16 has no 257."""
    precise = torch.promote_types(like.dtype, torch.float32)
    return torch.arange(start, start + count, device=like.device, dtype=precise)


def frequencies(width: int, theta: float, like: Tensor) -> Float[Tensor, " half"]:
    """Radians per position of each pair i: θ^(−2i/width)."""
    precise = torch.promote_types(like.dtype, torch.float32)
    return theta ** (-torch.arange(0, width, 2, device=like.device, dtype=precise) / width)
