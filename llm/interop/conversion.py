"""Weights between this project's names and axes and those of a family, by einops patterns read in either direction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from einops import rearrange
from torch import Tensor

from llm.config import ModelConfig
from llm.interop.families.family import Family
from llm.interop.families.weight import Weight, weights_of_all
from llm.model import Transformer


def parameter_shapes(config: ModelConfig) -> dict[str, Tensor]:
    """The parameters of a model as tensors without numbers, which take no memory."""
    with torch.device("meta"):
        return {name: parameter.detach() for name, parameter in Transformer(config).named_parameters()}


def weights_of(family: Family, config: ModelConfig) -> list[Weight]:
    """The tensors that hold the parameters of such a model, each parameter in one of them.

    Raises:
        ValueError: the family has no place for a parameter.
    """
    parameters = parameter_shapes(config)
    found = [entry for entry in weights_of_all(family.weights, config) if parameters.keys() >= set(entry.ours)]
    lacking = parameters.keys() - {name for entry in found for name in entry.ours}
    if lacking:
        raise ValueError(f"{family.label} has no tensor for {', '.join(sorted(lacking)[:3])}")
    return found


def to_theirs(entry: Weight, parameters: Mapping[str, Tensor], config: ModelConfig) -> Tensor:
    """Their tensor with the numbers of these parameters."""
    ours = [parameters[name] if entry.expert is None else parameters[name][entry.expert] for name in entry.ours]
    their_axes, our_axes = _patterns(entry)
    found = ours[0] if len(ours) == 1 else torch.stack(ours)
    found = rearrange(found, f"{our_axes} -> {their_axes}", **_sizes(entry, config)).contiguous()
    return found - entry.plus if entry.plus else found


def to_ours(tensors: Iterable[tuple[Weight, Tensor]], config: ModelConfig) -> dict[str, Tensor]:
    """The parameters with the numbers of these tensors, whose shapes were checked."""
    parameters: dict[str, Tensor] = {}
    for entry, tensor in tensors:
        their_axes, our_axes = _patterns(entry)
        found = rearrange(tensor, f"{their_axes} -> {our_axes}", **_sizes(entry, config))
        found = found + entry.plus if entry.plus else found
        for name, part in zip(entry.ours, [found] if len(entry.ours) == 1 else found.unbind(0), strict=True):
            if entry.expert is None:
                parameters[name] = part.contiguous()
            else:
                stack = parameters.setdefault(name, part.new_empty((config.n_experts, *part.shape)))
                stack[entry.expert] = part
    return parameters


def their_shapes(weights: list[Weight], config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor, by its name there."""
    parameters = parameter_shapes(config)
    return {entry.theirs: tuple(to_theirs(entry, parameters, config).shape) for entry in weights}


def _patterns(entry: Weight) -> tuple[str, str]:
    their_axes, our_axes = entry.axes.split(" -> ")
    return their_axes, our_axes


def _sizes(entry: Weight, config: ModelConfig) -> dict[str, int]:
    """The sizes of the axes in an entry's pattern."""
    known = config.axis_sizes | {"n_ctx": config.n_ctx, "part": len(entry.ours), "two": 2, "half": config.d_head // 2}
    return {
        name: size for name, size in known.items() if name in entry.axes.replace("(", " ").replace(")", " ").split()
    }
