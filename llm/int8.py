"""Weights as integers of 8 bits: a quarter of float32's memory, for a little rounding.

Each output channel, which is all weights that add up to one output number, has a scale of its own. The scale makes its
largest weight 127 or −127; 0 stays 0, so the scheme is symmetric:

    scale[out]        = max |W[out, :]| / 127
    integers[out, in] = round(W[out, in] / scale[out])
    W[out, in]        ≈ integers[out, in] · scale[out]          (off by at most scale[out] / 2)

With one scale for a whole matrix its largest channel would decide how coarsely all others are rounded (Krishnamoorthi
2018, arXiv:1806.08342). Only weights are rounded. Activations have single large numbers, which need more than one scale
for each position, or more bits (Dettmers et al. 2022, arXiv:2208.07339).

Norms, biases, tables of positions and routers stay as they are: they are small.
"""

from __future__ import annotations

import copy
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn
from torch.nn.utils import parametrize

LARGEST = 127
BLOCK = 32  # numbers that torch's kernel reads at once: with another length of vectors it reads beyond their end
# Axes of each weight that are summed over for one output number. Of W_E a channel is one token's vector, which is also
# what gives its logit where the unembedding is tied.
SUMMED = {
    "W_Q": (-1,), "W_K": (-1,), "W_V": (-1,), "W_O": (0, 1), "W_in": (-2,), "W_gate": (-2,), "W_out": (-2,),
    "W_E": (-1,), "W_U": (-2,),
}  # fmt: skip
LITTLE = 2**20  # multiplications, about 0.1 ms of one core

Model = TypeVar("Model", bound=nn.Module)


def quantise(weight: Tensor, summed: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The integers of a weight, in its shape, and their scales, 1 long in the axes that are `summed` over.

    Raises:
        ValueError: the weight contains NaN or infinity.
    """
    if not weight.isfinite().all():
        raise ValueError("the weights contain NaN or infinity, which no integer stands for: the training diverged")
    scale = weight.abs().amax(dim=summed, keepdim=True) / LARGEST
    scale = torch.where(scale > 0, scale, 1)  # a channel of zeros, with any scale
    return (weight / scale).round().to(torch.int8), scale


class Dequantised(nn.Module):
    """What a layer reads in place of its weight: integers times scales; in PyTorch's words a parametrization."""

    def __init__(self, summed: tuple[int, ...]) -> None:
        super().__init__()
        self.summed = summed

    def forward(self, integers: Tensor, scale: Tensor) -> Tensor:
        """The weight, as it was before but for rounding."""
        return integers * scale

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """What is stored in the weight's place."""
        return quantise(weight, self.summed)


def quantised(model: Model) -> Model:
    """A copy of a model that stores its weights as integers; each layer computes with them as with any others.

    Raises:
        ValueError: the weights contain NaN or infinity.
    """
    made = copy.deepcopy(model).requires_grad_(False)
    stored: list[tuple[Tensor, nn.Module]] = []  # a tied matrix is stored once
    for module in list(made.modules()):
        for name, weight in list(module.named_parameters(recurse=False)):
            if name in SUMMED:
                parametrize.register_parametrization(module, name, Dequantised(SUMMED[name]))
                own = module.get_submodule("parametrizations")
                for other, known in stored:
                    if other is weight:
                        own.register_module(name, known)
                stored.append((weight, own.get_submodule(name)))
    return made


def dequantised(module: Model) -> Model:
    """A copy that stores the rounded weights in float32; the module itself if it has no integers."""
    if not any(map(parametrize.is_parametrized, module.modules())):
        return module
    made = copy.deepcopy(module)
    for part in filter(parametrize.is_parametrized, list(made.modules())):
        weights = {name: getattr(part, name) for name in SUMMED if parametrize.is_parametrized(part, name)}
        # remove_parametrizations would change the class, which is that of the module itself as well
        part.__class__ = parametrize.type_before_parametrizations(part)
        del part.parametrizations
        for name, weight in weights.items():
            part.register_parameter(name, nn.Parameter(weight, requires_grad=False))
    return made


def weight_bytes(model: nn.Module) -> int:
    """Memory that a model's weights take, in bytes: a tied matrix once."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


class Int8Matrix(NamedTuple):
    """A matrix as integers, for products with new vectors."""

    integers: Int8[Tensor, "d_out d_padded"]  # with zeros after d_in, up to whole blocks
    scale: Float[Tensor, " d_out"]
    ones: Tensor  # [d_out]: see `times`

    def times(self, x: Float[Tensor, "batch d_in"], out: Float[Tensor, "batch d_out"]) -> None:
        """Write x · W to `out`.

        On a CPU the numbers are read as bytes and multiplied in bfloat16, with sums in float32: torch's kernel for
        float32 takes five times as long. Its own scales would be rounded to bfloat16 too, so it gets ones. For little
        work it starts no threads, which would wait for each other on a busy machine.
        """
        if missing := self.integers.shape[1] - x.shape[1]:
            x = nn.functional.pad(x, (0, missing))
        if x.device.type != "cpu":
            torch.mm(x, (self.integers * self.scale.unsqueeze(1)).T, out=out)
            return
        rounded = x.to(torch.bfloat16, memory_format=torch.contiguous_format)
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(threads if len(x) * self.integers.numel() > LITTLE else 1)
            torch.mul(torch._weight_int8pack_mm(rounded, self.integers, self.ones), self.scale, out=out)
        finally:
            torch.set_num_threads(threads)


def matrix(module: nn.Module, *names: str) -> Float[Tensor, "d_in d_out"] | Int8Matrix:
    """Weights of a layer as one matrix that a vector is multiplied by, their outputs side by side.

    Raises:
        AttributeError: the layer has no such weight.
    """
    if not all(parametrize.is_parametrized(module, name) for name in names):
        return _joined([getattr(module, name).detach() for name in names], names).T.contiguous()
    stored = [module.get_submodule(f"parametrizations.{name}") for name in names]
    integers = _joined([parameters.get_parameter("original0") for parameters in stored], names)
    integers = nn.functional.pad(integers, (0, -integers.shape[1] % BLOCK)).contiguous()
    scale = torch.cat([parameters.get_parameter("original1").flatten() for parameters in stored])
    return Int8Matrix(integers, scale, torch.ones_like(scale, dtype=torch.bfloat16))


def _joined(weights: list[Tensor], names: tuple[str, ...]) -> Tensor:
    """[d_out, d_in], d_out of all of them."""
    flat = [weight.flatten(end_dim=-2) for weight in weights]
    turned = [part if SUMMED[name] == (-1,) else part.T for part, name in zip(flat, names, strict=True)]
    return torch.cat(turned) if len(turned) > 1 else turned[0]
