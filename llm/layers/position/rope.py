"""Rotary positions, RoPE (Su et al. 2021, arXiv:2104.09864).

Each pair (x_i, y_i) of a query or key turns by the angle pos · θ^(−2i/d_rotary), so that a dot product depends on the
two positions only through their distance. Of a head's numbers the first d_rotary rotate: all, or a fraction of them
(GPT-J; Black et al. 2022, GPT-NeoX, arXiv:2204.06745). With rope_pairs "halves", x_i is the number i and y_i the number
i + d_rotary / 2, as in LLaMA; with "neighbours" they are the numbers 2i and 2i + 1, as in the paper. Which of the two
makes no difference to what a model can learn, but weights that were learned with one do not fit the other.

`half` is d_rotary / 2, the number of pairs. For a longer context, frequencies can be scaled: see `frequencies`.
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import ModelConfig
from llm.layers.position.frequencies import frequencies, position_numbers
from llm.layers.position.scaling import REGISTRY


class Rotary(nn.Module):
    """Turn every query and key by an angle that grows with its position. No parameters."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.d_head = config.d_head
        self.d_rotary = round(config.rope_fraction * config.d_head)
        scaling = REGISTRY[config.rope_scaling]
        self.scaled = scaling.frequencies() if scaling.frequencies else None
        self.multiplier = scaling.multiplier() if scaling.multiplier else None

    @property
    def axes(self) -> dict[str, int]:
        """Sizes of the axes that only this layer has."""
        return {"half": self.d_rotary // 2, "d_rotary": self.d_rotary, "d_rest": self.d_head - self.d_rotary}

    def distance_curves(self, n_ctx: int) -> Float[Tensor, "curve distance"]:
        """One curve per rotated pair: cos(d · frequency), the dot product of two equal unit vectors in it."""
        distance = torch.arange(n_ctx, dtype=torch.float64)
        frequency = frequencies(self.d_rotary, self.config.rope_theta, distance)
        if self.scaled is not None:
            frequency = self.scaled(frequency, self.config)
        return torch.outer(frequency, distance).cos()


class RotaryWithEinops(Rotary):
    """The rotation written out: (x, y) → (x cos − y sin, y cos + x sin)."""

    def forward(
        self, vectors: Float[Tensor, "batch head pos d_head"], start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        position = position_numbers(start, vectors.shape[2], vectors)  # [pos]
        frequency = frequencies(self.d_rotary, self.config.rope_theta, vectors)  # [half]
        if self.scaled is not None:
            frequency = self.scaled(frequency, self.config)  # [half]
        angle = einsum(position, frequency, "pos, half -> pos half")  # [pos, half]
        first = (
            vectors[..., : self.d_rotary] if self.d_rotary < self.d_head else vectors
        )  # [batch, head, pos, d_rotary]
        if self.config.rope_pairs == "neighbours":
            x, y = rearrange(
                first, "batch head pos (half xy) -> xy batch head pos half", xy=2
            )  # [batch, head, pos, half]
        else:
            x, y = rearrange(
                first, "batch head pos (xy half) -> xy batch head pos half", xy=2
            )  # [batch, head, pos, half]
        turned_x = x * angle.cos() - y * angle.sin()  # [batch, head, pos, half]
        turned_y = y * angle.cos() + x * angle.sin()  # [batch, head, pos, half]
        if self.config.rope_pairs == "neighbours":
            turned = rearrange(
                [turned_x, turned_y], "xy batch head pos half -> batch head pos (half xy)"
            )  # [batch, head, pos, d_rotary]
        else:
            turned = rearrange(
                [turned_x, turned_y], "xy batch head pos half -> batch head pos (xy half)"
            )  # [batch, head, pos, d_rotary]
        if self.multiplier is not None:
            turned = turned * self.multiplier(self.config)  # [batch, head, pos, d_rotary]
        turned = turned.to(vectors.dtype)  # [batch, head, pos, d_rotary]
        if self.d_rotary < self.d_head:
            turned = torch.cat([turned, vectors[..., self.d_rotary :]], dim=-1)  # [batch, head, pos, d_head]
        return turned  # [batch, head, pos, d_head]


class RotaryWithoutEinops(Rotary):
    """The same with `chunk` or strides of 2, and `cat` or `stack`."""

    def forward(
        self, vectors: Float[Tensor, "batch head pos d_head"], start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        position = position_numbers(start, vectors.shape[2], vectors)  # [pos]
        frequency = frequencies(self.d_rotary, self.config.rope_theta, vectors)  # [half]
        if self.scaled is not None:
            frequency = self.scaled(frequency, self.config)  # [half]
        angle = position.unsqueeze(1) * frequency  # [pos, half]
        first = (
            vectors[..., : self.d_rotary] if self.d_rotary < self.d_head else vectors
        )  # [batch, head, pos, d_rotary]
        if self.config.rope_pairs == "neighbours":
            x, y = first[..., 0::2], first[..., 1::2]  # [batch, head, pos, half]
        else:
            x, y = first.chunk(2, dim=-1)  # [batch, head, pos, half]
        turned_x = x * angle.cos() - y * angle.sin()  # [batch, head, pos, half]
        turned_y = y * angle.cos() + x * angle.sin()  # [batch, head, pos, half]
        if self.config.rope_pairs == "neighbours":
            turned = torch.stack([turned_x, turned_y], dim=-1).flatten(start_dim=3)  # [batch, head, pos, d_rotary]
        else:
            turned = torch.cat([turned_x, turned_y], dim=-1)  # [batch, head, pos, d_rotary]
        if self.multiplier is not None:
            turned = turned * self.multiplier(self.config)  # [batch, head, pos, d_rotary]
        turned = turned.to(vectors.dtype)  # [batch, head, pos, d_rotary]
        if self.d_rotary < self.d_head:
            turned = torch.cat([turned, vectors[..., self.d_rotary :]], dim=-1)  # [batch, head, pos, d_head]
        return turned  # [batch, head, pos, d_head]


class RotaryFused(Rotary):
    """Two multiplications and one addition over whole vectors: v cos + v' sin, with v' = (−y, x) for each pair."""

    def forward(
        self, vectors: Float[Tensor, "batch head pos d_head"], start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        position = position_numbers(start, vectors.shape[2], vectors)  # [pos]
        frequency = frequencies(self.d_rotary, self.config.rope_theta, vectors)  # [half]
        if self.scaled is not None:
            frequency = self.scaled(frequency, self.config)  # [half]
        first = (
            vectors[..., : self.d_rotary] if self.d_rotary < self.d_head else vectors
        )  # [batch, head, pos, d_rotary]
        if self.config.rope_pairs == "neighbours":
            angle = torch.outer(position, frequency).repeat_interleave(2, dim=1)  # [pos, d_rotary]
            x, y = first[..., 0::2], first[..., 1::2]  # [batch, head, pos, half]
            quarter_turned = torch.stack([-y, x], dim=-1).flatten(start_dim=3)  # [batch, head, pos, d_rotary]
        else:
            angle = torch.outer(position, frequency).repeat(1, 2)  # [pos, d_rotary]
            x, y = first.chunk(2, dim=-1)  # [batch, head, pos, half]
            quarter_turned = torch.cat([-y, x], dim=-1)  # [batch, head, pos, d_rotary]
        turned = torch.addcmul(first * angle.cos(), quarter_turned, angle.sin())  # [batch, head, pos, d_rotary]
        if self.multiplier is not None:
            turned = turned * self.multiplier(self.config)  # [batch, head, pos, d_rotary]
        turned = turned.to(vectors.dtype)  # [batch, head, pos, d_rotary]
        if self.d_rotary < self.d_head:
            turned = torch.cat([turned, vectors[..., self.d_rotary :]], dim=-1)  # [batch, head, pos, d_head]
        return turned  # [batch, head, pos, d_head]
