"""RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467):  y = x / sqrt(mean(x²) + ε) · γ."""

from __future__ import annotations

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from llm.layers.norm.base import Norm


class RMSNorm(Norm):
    """Scale each position to unit root mean square, then by a learned γ. Parameter: γ `w` [width], starts at 1."""


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
