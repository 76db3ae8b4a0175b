"""Activation functions f(x), applied to every number by itself.

GELU(x)      = x · Φ(x), Φ the normal distribution function        (Hendrycks & Gimpel 2016, arXiv:1606.08415)
GELU_tanh(x) = x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2        (their approximation, the one in GPT-2)
SiLU(x)      = x · σ(x), σ(x) = 1 / (1 + e^−x)                     (Elfwing et al. 2017, arXiv:1702.03118)
ReLU(x)      = max(x, 0)
ReLU²(x)     = max(x, 0)²                                          (So et al. 2021, arXiv:2109.08668)

GPT-2's own code (`gelu` in github.com/openai/gpt-2/blob/master/src/model.py) has the approximation, which differs from
GELU by less than 0.0005.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def gelu(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """GELU(x) = x · Φ(x)."""
    return x * normal_cdf(x)


def normal_cdf(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Φ(x), the probability that a standard normal number is below x."""
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def gelu_tanh(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """GELU_tanh(x) = x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """SiLU(x) = x · σ(x)."""
    return x * torch.sigmoid(x)


def relu(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """ReLU(x) = max(x, 0)."""
    return x.clamp(min=0)


def squared_relu(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """ReLU²(x) = max(x, 0)²."""
    return x.clamp(min=0) ** 2


def fused_squared_relu(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """ReLU² by torch's ReLU."""
    return nn.functional.relu(x).square()


def fused_gelu_tanh(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """GELU_tanh in one kernel."""
    return nn.functional.gelu(x, approximate="tanh")


fused_gelu, fused_silu, fused_relu = nn.functional.gelu, nn.functional.silu, nn.functional.relu
