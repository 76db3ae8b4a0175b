"""LayerNorm without parameters (the first OLMo, arXiv:2402.00838):  y = (x − mean(x)) / sqrt(var(x) + ε)."""

from __future__ import annotations

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import ModelConfig
from llm.layers.norm.base import Norm


class NonparametricLayerNorm(Norm):
    """Centre each position and scale it to unit variance. No parameters."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__(config, width)
        self.register_parameter("w", None)

    def centred(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        return x - x.mean(dim=-1, keepdim=True)

    def times_gamma(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        return x


class NonparametricLayerNormWithEinops(NonparametricLayerNorm):
    """Every mean an einops `reduce`."""

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        mean = reduce(x, "... width -> ... 1", "mean")  # [..., 1]
        centred = x - mean  # [..., width]
        variance = reduce(centred**2, "... width -> ... 1", "mean")  # [..., 1]
        return centred * (variance + self.eps).rsqrt()  # [..., width]


class NonparametricLayerNormWithoutEinops(NonparametricLayerNorm):
    """In plain torch."""

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        mean = x.mean(dim=-1, keepdim=True)  # [..., 1]
        centred = x - mean  # [..., width]
        variance = centred.square().mean(dim=-1, keepdim=True)  # [..., 1]
        return centred / torch.sqrt(variance + self.eps)  # [..., width]


class NonparametricLayerNormFused(NonparametricLayerNorm):
    """In one kernel."""

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        return nn.functional.layer_norm(x, (self.width,), None, None, self.eps)  # [..., width]
