"""What all norms share: their parameters, and how each part of a sum passes through them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig
from llm.layers.norm import REGISTRY


class Norm(nn.Module):
    """A norm of the last axis. Parameter: γ `w`, which multiplies the result: here [width], starting at 1.

    A subclass may give `w` another shape that broadcasts, or another start.
    """

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        self.width = width
        self.eps = config.norm_eps
        self.w = nn.Parameter(torch.ones(width))

    @property
    def axes(self) -> dict[str, int]:
        """Sizes of the axes that only this layer has."""
        return {"width": self.width}

    def centred(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        """The vector that is divided by the spread: x minus its mean, or x itself for a norm that does not centre."""
        return x

    def spread(self, centred: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes 1"]:
        """What a centred vector is divided by: its root mean square."""
        return (centred.square().mean(dim=-1, keepdim=True) + self.eps).sqrt()

    def apply_to_parts(self, parts: Float[Tensor, "component *axes width"]) -> Float[Tensor, "component *axes width"]:
        """Each part through this norm, whose statistics are those of the sum of all: centred(part) / spread(sum) · γ.

        With its statistics held fixed a norm is linear, so the results sum to its output for the sum, minus
        its shift.
        """
        centred = self.centred(parts)
        return self.times_gamma(centred / self.spread(centred.sum(dim=0)))

    def direction(self, vector: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        """What a vector that was added to x adds to the norm's output, up to the spread of x."""
        return self.times_gamma(self.centred(vector))

    def times_gamma(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        """A vector times γ."""
        return x * self.w.detach()

    def shift(self) -> Float[Tensor, " width"] | None:
        """What is added at the end, whatever x is: β, for a norm that has one."""
        return None


def build_norm(config: ModelConfig, implementation: Implementation) -> Norm:
    """The residual stream's norm that the config asks for."""
    norm: Norm = REGISTRY[config.norm].classes(implementation)(config, config.d_model)
    return norm
