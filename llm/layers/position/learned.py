"""Learned positions: a vector per position, trained like any weight (Radford et al. 2019)."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import ModelConfig


class LearnedPositions(nn.Module):
    """A trained vector per position. Parameter: `W_pos` [n_ctx, d_model], starts normal with deviation 0.02."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.W_pos = nn.Parameter(torch.empty(config.n_ctx, config.d_model).normal_(std=0.02))


class LearnedPositionsWithEinops(LearnedPositions):
    """Rows `start` to `start + pos`, the same for every sequence."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        positions = self.W_pos[start : start + resid.shape[1]]  # [pos, d_model]
        return resid + rearrange(positions, "pos d_model -> 1 pos d_model")  # [batch, pos, d_model]


class LearnedPositionsWithoutEinops(LearnedPositions):
    """The same with `unsqueeze`."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        positions = self.W_pos[start : start + resid.shape[1]]  # [pos, d_model]
        return resid + positions.unsqueeze(0)  # [batch, pos, d_model]


class LearnedPositionsFused(LearnedPositions):
    """The same by broadcasting."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        return resid + self.W_pos[start : start + resid.shape[1]]  # [batch, pos, d_model]
