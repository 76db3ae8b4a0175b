"""RMSNorm of the queries, or keys, of all heads of a position together (OLMo 2, arXiv:2501.00656).

y = x / sqrt(mean(x²) + ε) · γ, with the mean over every head's numbers. A head with large queries keeps them larger
than another's, which a norm of each head by itself does not allow.
"""

from __future__ import annotations

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import ModelConfig
from llm.layers.norm.base import Norm


class HeadsRMSNorm(Norm):
    """Scale a position's heads together to unit root mean square. Parameter: γ `w` [head, d_head], starts at 1."""

    def __init__(self, config: ModelConfig, heads: int) -> None:
        super().__init__(config, config.d_head)
        self.w = nn.Parameter(torch.ones(heads, config.d_head))

    @property
    def axes(self) -> dict[str, int]:
        """Sizes of the axes that only this layer has: its heads are those of the queries, or of the keys."""
        return {"head": len(self.w)}

    def times_gamma(self, x: Float[Tensor, "batch head pos d_head"]) -> Float[Tensor, "batch head pos d_head"]:
        return x * self.w.detach().unsqueeze(1)


class HeadsRMSNormWithEinops(HeadsRMSNorm):
    """The mean over heads and their numbers is one `reduce`."""

    def forward(self, x: Float[Tensor, "batch head pos d_head"]) -> Float[Tensor, "batch head pos d_head"]:
        mean_square = reduce(x**2, "batch head pos d_head -> batch 1 pos 1", "mean")  # [batch, 1, pos, 1]
        normalised = x * (mean_square + self.eps).rsqrt()  # [batch, head, pos, d_head]
        return normalised * rearrange(self.w, "head d_head -> head 1 d_head")  # [batch, head, pos, d_head]


class HeadsRMSNormWithoutEinops(HeadsRMSNorm):
    """The same with `mean` over two axes."""

    def forward(self, x: Float[Tensor, "batch head pos d_head"]) -> Float[Tensor, "batch head pos d_head"]:
        mean_square = x.square().mean(dim=(1, 3), keepdim=True)  # [batch, 1, pos, 1]
        normalised = x / torch.sqrt(mean_square + self.eps)  # [batch, head, pos, d_head]
        return normalised * self.w.unsqueeze(1)  # [batch, head, pos, d_head]


class HeadsRMSNormFused(HeadsRMSNorm):
    """In one kernel: a position's heads are one vector, as they leave their product."""

    def forward(self, x: Float[Tensor, "batch head pos d_head"]) -> Float[Tensor, "batch head pos d_head"]:
        # under autocast a query or key comes in 16 bits; the norm is computed in the precision of its weights
        vectors = x.to(self.w.dtype).transpose(1, 2).flatten(start_dim=2)  # [batch, pos, head·d_head]
        weight = self.w.flatten()  # [head·d_head]
        normalised = nn.functional.rms_norm(vectors, weight.shape, weight, self.eps)  # [batch, pos, head·d_head]
        return normalised.unflatten(2, self.w.shape).transpose(1, 2)  # [batch, head, pos, d_head]
