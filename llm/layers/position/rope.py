"""Rotary positions, RoPE (Su et al. 2021, arXiv:2104.09864; pairs laid out as in LLaMA).

Each pair (x_i, x_{i + d_head/2}) of a query or key turns by the angle pos · θ^(−2i/d_head), so that a dot
product depends on the two positions only through their distance. `half` is d_head / 2, the number of rotated pairs.
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import ModelConfig
from llm.layers.position.angles import frequencies, position_numbers


class Rotary(nn.Module):
    """Turn every query and key by an angle that grows with its position. No parameters."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.d_head = config.d_head
        self.theta = config.rope_theta

    @property
    def axes(self) -> dict[str, int]:
        """Sizes of the axes that only this layer has."""
        return {"half": self.d_head // 2}

    def distance_curves(self, n_ctx: int) -> Float[Tensor, "curve distance"]:
        """One curve per rotated pair i: cos(d · θ^(−2i/d_head)), the dot product of two equal unit vectors in it."""
        pair = torch.arange(0, self.d_head, 2, dtype=torch.float64)
        return torch.outer(self.theta ** (-pair / self.d_head), torch.arange(n_ctx, dtype=torch.float64)).cos()


class RotaryWithEinops(Rotary):
    """The rotation written out: (x, y) → (x cos − y sin, y cos + x sin)."""

    def forward(
        self, vectors: Float[Tensor, "batch head pos d_head"], start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        position = position_numbers(start, vectors.shape[2], vectors)  # [pos]
        angle = einsum(position, frequencies(self.d_head, self.theta, vectors), "pos, half -> pos half")  # [pos, half]
        x, y = rearrange(
            vectors, "batch head pos (xy half) -> xy batch head pos half", xy=2
        )  # [batch, head, pos, half]
        turned_x = x * angle.cos() - y * angle.sin()  # [batch, head, pos, half]
        turned_y = y * angle.cos() + x * angle.sin()  # [batch, head, pos, half]
        turned = rearrange(
            [turned_x, turned_y], "xy batch head pos half -> batch head pos (xy half)"
        )  # [batch, head, pos, d_head]
        return turned.to(vectors.dtype)  # [batch, head, pos, d_head]


class RotaryWithoutEinops(Rotary):
    """The same with `chunk` and `cat`."""

    def forward(
        self, vectors: Float[Tensor, "batch head pos d_head"], start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        position = position_numbers(start, vectors.shape[2], vectors)  # [pos]
        angle = position.unsqueeze(1) * frequencies(self.d_head, self.theta, vectors)  # [pos, half]
        x, y = vectors.chunk(2, dim=-1)  # [batch, head, pos, half]
        turned_x = x * angle.cos() - y * angle.sin()  # [batch, head, pos, half]
        turned_y = y * angle.cos() + x * angle.sin()  # [batch, head, pos, half]
        turned = torch.cat([turned_x, turned_y], dim=-1)  # [batch, head, pos, d_head]
        return turned.to(vectors.dtype)  # [batch, head, pos, d_head]


class RotaryFused(Rotary):
    """Two multiplications and one addition over whole vectors: v cos + (−y, x) sin."""

    def forward(
        self, vectors: Float[Tensor, "batch head pos d_head"], start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        position = position_numbers(start, vectors.shape[2], vectors)  # [pos]
        angle = torch.outer(position, frequencies(self.d_head, self.theta, vectors)).repeat(1, 2)  # [pos, d_head]
        x, y = vectors.chunk(2, dim=-1)  # [batch, head, pos, half]
        quarter_turned = torch.cat([-y, x], dim=-1)  # [batch, head, pos, d_head]
        turned = torch.addcmul(vectors * angle.cos(), quarter_turned, angle.sin())  # [batch, head, pos, d_head]
        return turned.to(vectors.dtype)  # [batch, head, pos, d_head]
