"""LayerNorm (Ba, Kiros & Hinton 2016, arXiv:1607.06450):  y = (x − mean(x)) / sqrt(var(x) + ε) · γ + β."""

from __future__ import annotations

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import ModelConfig
from llm.layers.norm.base import Norm


class LayerNorm(Norm):
    """Centre each position, scale it to unit variance, then by a learned γ, and shift by a learned β.

    Parameters: γ `w` [width], starts at 1; β `b` [width], starts at 0, absent with bias=False.
    """

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__(config, width)
        self.b = nn.Parameter(torch.zeros(width)) if config.bias else None

    def centred(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        return x - x.mean(dim=-1, keepdim=True)

    def shift(self) -> Float[Tensor, " width"] | None:
        return self.b


class LayerNormWithEinops(LayerNorm):
    """LayerNorm with every mean an einops `reduce`."""

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        mean = reduce(x, "... width -> ... 1", "mean")  # [..., 1]
        centred = x - mean  # [..., width]
        variance = reduce(centred**2, "... width -> ... 1", "mean")  # [..., 1]
        normalised = centred * (variance + self.eps).rsqrt()  # [..., width]
        scaled = normalised * self.w  # [..., width]
        return scaled if self.b is None else scaled + self.b  # [..., width]


class LayerNormWithoutEinops(LayerNorm):
    """LayerNorm in plain torch."""

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        mean = x.mean(dim=-1, keepdim=True)  # [..., 1]
        centred = x - mean  # [..., width]
        variance = centred.square().mean(dim=-1, keepdim=True)  # [..., 1]
        normalised = centred / torch.sqrt(variance + self.eps)  # [..., width]
        scaled = normalised * self.w  # [..., width]
        return scaled if self.b is None else scaled + self.b  # [..., width]


class LayerNormFused(LayerNorm):
    """LayerNorm in one kernel."""

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        return nn.functional.layer_norm(x, (self.width,), self.w, self.b, self.eps)  # [..., width]
