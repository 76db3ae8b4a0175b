"""Sinusoidal positions: sine and cosine waves, added to the residual stream (Vaswani et al. 2017, arXiv:1706.03762).

    P[pos, 2i] = sin(pos / 10000^(2i/d_model)),  P[pos, 2i+1] = cos(pos / 10000^(2i/d_model))

`half` is d_model / 2, the number of pairs of a sine and a cosine.
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import ModelConfig
from llm.layers.position.frequencies import frequencies, position_numbers


class SinusoidalPositions(nn.Module):
    """Waves of many lengths, from 2π to nearly 10000 · 2π positions. No parameters."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.d_model = config.d_model

    @property
    def axes(self) -> dict[str, int]:
        """Sizes of the axes that only this layer has."""
        return {"half": self.d_model // 2}


class SinusoidalPositionsWithEinops(SinusoidalPositions):
    """Sine and cosine of every angle, interleaved by a rearrange."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        position = position_numbers(start, resid.shape[1], resid)  # [pos]
        angle = einsum(position, frequencies(self.d_model, 10000.0, resid), "pos, half -> pos half")  # [pos, half]
        waves = rearrange([angle.sin(), angle.cos()], "wave pos half -> pos (half wave)")  # [pos, d_model]
        return resid + rearrange(waves, "pos d_model -> 1 pos d_model").to(resid.dtype)  # [batch, pos, d_model]


class SinusoidalPositionsWithoutEinops(SinusoidalPositions):
    """Sine and cosine of every angle, interleaved by stacking and flattening."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        position = position_numbers(start, resid.shape[1], resid)  # [pos]
        angle = position.unsqueeze(1) * frequencies(self.d_model, 10000.0, resid)  # [pos, half]
        waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(start_dim=1)  # [pos, d_model]
        return resid + waves.unsqueeze(0).to(resid.dtype)  # [batch, pos, d_model]


class SinusoidalPositionsFused(SinusoidalPositions):
    """The phase trick: cos(x) = sin(x + π/2), so that one sine makes both."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        position = position_numbers(start, resid.shape[1], resid)  # [pos]
        angle = torch.outer(position, frequencies(self.d_model, 10000.0, resid))  # [pos, half]
        waves = torch.stack([angle, angle + torch.pi / 2], dim=-1).sin_().flatten(1)  # [pos, d_model]
        return resid + waves.to(resid.dtype)  # [batch, pos, d_model]
