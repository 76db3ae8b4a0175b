"""Normalisation: keep the residual stream at a steady scale, position by position.

LayerNorm (Ba, Kiros & Hinton 2016, arXiv:1607.06450):  y = (x − mean(x)) / sqrt(var(x) + ε) · γ + β
RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467):      y = x / sqrt(mean(x²) + ε) · γ

Both work on the last axis alone, here called width: d_model in the residual stream, d_head where queries and keys are
normalised. The axes before it (batch, pos, perhaps head) are written `...`.
"""

from __future__ import annotations

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig


class LayerNorm(nn.Module):
    """Centre each position, scale it to unit variance, then by a learned γ, and shift by a learned β.

    Parameters: γ `w` [width], starts at 1; β `b` [width], starts at 0, absent with bias=False.
    """

    def __init__(self, width: int, eps: float, bias: bool = True) -> None:
        super().__init__()
        self.width = width
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width)) if bias else None


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


class RMSNorm(nn.Module):
    """Scale each position to unit root mean square, then by a learned γ. Parameter: γ `w` [width], starts at 1."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.width = width
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))


class RMSNormWithEinops(RMSNorm):
    """RMSNorm with its mean an einops `reduce`."""

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        mean_square = reduce(x**2, "... width -> ... 1", "mean")  # [..., 1]
        normalised = x * (mean_square + self.eps).rsqrt()  # [..., width]
        return normalised * self.w  # [..., width]


class RMSNormWithoutEinops(RMSNorm):
    """RMSNorm in plain torch."""

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        mean_square = x.square().mean(dim=-1, keepdim=True)  # [..., 1]
        normalised = x / torch.sqrt(mean_square + self.eps)  # [..., width]
        return normalised * self.w  # [..., width]


class RMSNormFused(RMSNorm):
    """RMSNorm in one kernel."""

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        # under autocast a query or key comes in 16 bits; the norm is computed in the precision of its weights
        x = x.to(self.w.dtype)  # [..., width]
        return nn.functional.rms_norm(x, (self.width,), self.w, self.eps)  # [..., width]


LAYER_NORMS = {"einops": LayerNormWithEinops, "torch": LayerNormWithoutEinops, "fused": LayerNormFused}
RMS_NORMS = {"einops": RMSNormWithEinops, "torch": RMSNormWithoutEinops, "fused": RMSNormFused}


def build_norm(config: ModelConfig, implementation: Implementation) -> LayerNorm | RMSNorm:
    """The residual stream's norm that the config asks for."""
    if config.norm == "layernorm":
        return LAYER_NORMS[implementation](config.d_model, config.norm_eps, config.bias)
    return RMS_NORMS[implementation](config.d_model, config.norm_eps)
