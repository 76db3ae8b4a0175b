"""A norm, an activation and a position scheme that the library does not have, as anyone would add them.

A test registers them with `monkeypatch.setitem(REGISTRY, "toy", …)` and nothing else.
"""

import torch
from einops import reduce
from torch import nn

from llm.layers.mlp import ActivationEntry
from llm.layers.norm import NormEntry
from llm.layers.norm.base import Norm
from llm.layers.position import DistanceCurves, PositionEntry
from llm.registry import Equation


class ToyNorm(Norm):
    """Divide each position by its mean absolute value."""

    def spread(self, centred):
        return centred.abs().mean(dim=-1, keepdim=True) + self.eps


class ToyNormWithEinops(ToyNorm):
    """With an einops `reduce`."""

    def forward(self, x):
        magnitude = reduce(x.abs(), "... width -> ... 1", "mean")  # [..., 1]
        return x / (magnitude + self.eps) * self.w  # [..., width]


class ToyNormWithoutEinops(ToyNorm):
    """In plain torch."""

    def forward(self, x):
        magnitude = x.abs().mean(dim=-1, keepdim=True)  # [..., 1]
        return x / (magnitude + self.eps) * self.w  # [..., width]


class ToyNormFused(ToyNorm):
    """In one line."""

    def forward(self, x):
        return x / (x.abs().mean(dim=-1, keepdim=True) + self.eps) * self.w  # [..., width]


def squared_relu(x):
    """max(x, 0)²."""
    return x.clamp(min=0) ** 2


def fused_squared_relu(x):
    """max(x, 0)², by torch's ReLU."""
    return nn.functional.relu(x).square()


class ToyBias(nn.Module):
    """A bias on the scores that falls with the logarithm of the distance. No parameters."""

    def __init__(self, config):
        super().__init__()
        self.n_heads = config.n_heads
        self.register_buffer("unit", torch.ones(()), persistent=False)

    def distance_curves(self, n_ctx):
        return -(1 + torch.arange(n_ctx, dtype=torch.float64)).log()[None]


class ToyBiasWithEinops(ToyBias):
    """The three are the same."""

    def forward(self, query_pos, key_pos):
        position = torch.arange(key_pos, device=self.unit.device)  # [key_pos]
        distance = position[-query_pos:, None] - position  # [query_pos, key_pos]
        penalty = (1 + distance.clamp(min=0)).to(self.unit.dtype).log()  # [query_pos, key_pos]
        return -penalty.expand(self.n_heads, -1, -1)  # [head, query_pos, key_pos]


class ToyBiasWithoutEinops(ToyBias):
    """The three are the same."""

    forward = ToyBiasWithEinops.forward


class ToyBiasFused(ToyBias):
    """The three are the same."""

    def forward(self, query_pos, key_pos):
        position = torch.arange(key_pos, device=self.unit.device)  # [key_pos]
        distance = position[-query_pos:, None] - position  # [query_pos, key_pos]
        penalty = (1 + distance.clamp(min=0)).to(self.unit.dtype).log()  # [query_pos, key_pos]
        return -penalty.expand(self.n_heads, -1, -1)  # [head, query_pos, key_pos]


NORM = NormEntry(
    label="ToyNorm",
    help="divides by the mean absolute value",
    why="A toy.",
    classes={"einops": ToyNormWithEinops, "torch": ToyNormWithoutEinops, "fused": ToyNormFused}.__getitem__,
    equation=lambda config: Equation(("{return|y} = x / (mean |x| + ε) · γ",), "To one scale.", ""),
    parameters=lambda config, width: width,
    saved_for_backward=lambda width: 3 * width + 1,  # input, quotient, output, divisor
    saved_unfused=lambda width: 3 * width + 1,
    keeps_input=True,
    in_float32=True,
    statistics=("magnitude",),
)
ACTIVATION = ActivationEntry(
    label="Squared ReLU",
    help="squares what is above 0",
    why="A toy.",
    function={"einops": squared_relu, "torch": squared_relu, "fused": fused_squared_relu}.__getitem__,
    gated=False,
    formula=lambda x: f"max({x}, 0)²",
    words="What is above 0 is squared.",
    source="So et al. 2021, arXiv:2109.08668",
    saved_for_backward=2,  # ReLU's output, and its square
    saved_unfused=2,
)
POSITION = PositionEntry(
    label="logarithm of the distance",
    help="subtracts the logarithm of the distance from each score",
    why="A toy.",
    title="Log distance",
    acts_on="scores",
    classes={"einops": ToyBiasWithEinops, "torch": ToyBiasWithoutEinops, "fused": ToyBiasFused}.__getitem__,
    equation=lambda config: Equation(("{return|bias}[h, q, k] = −log(1 + q − k)",), "What is far counts less.", ""),
    term=" − log(1 + q − k)",
    validate=lambda config: None,
    parameters=lambda config: 0,
    saved_bytes=lambda config, implementation: 0,
    copies=lambda config: False,
    curves=DistanceCurves("Penalty on every score", "The same for all heads."),
    choices=lambda config: [],
)
