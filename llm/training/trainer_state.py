"""Check a trainer's state that was read from a file, so that wrong shapes and types fail here, not in a later step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from llm.training.optimizers.base import Optimizer


def check_state(state: dict[str, Any], own: dict[str, Any], optimizers: list[Optimizer], step: int) -> None:
    """Raise ValueError unless a trainer whose state is `own`, with these optimizers, can continue from `state`."""
    _require(state.keys() == own.keys(), f"it has the fields {list(state)}, and not {list(own)}")
    _require(type(state["step"]) is int and state["step"] == step, f"its step is {state['step']!r:.40}, and not {step}")
    count = state["evaluations_without_best"]
    _require(type(count) is int and 0 <= count <= step, f"evaluations_without_best is {count!r:.40}")
    best = state["best_loss"]
    _require(type(best) is float and not math.isnan(best), f"best_loss is {best!r:.40}")
    for name in ("seconds", "elapsed"):
        _require(_is_finite(state[name]) and state[name] >= 0, f"{name} is {state[name]!r:.40}")
    _check_same_kind("scaler", state["scaler"], own["scaler"])
    _check_same_kind("random_state", state["random_state"], own["random_state"])
    torch.Generator(state["random_state"].device).set_state(state["random_state"])
    saved = state["optimizers"]
    _require(isinstance(saved, list) and len(saved) == len(optimizers), "it does not have this run's optimizers")
    for optimizer, found in zip(optimizers, saved, strict=True):
        _check_optimizer(found, optimizer, step)


def _check_optimizer(found: Any, optimizer: Optimizer, step: int) -> None:
    _require(isinstance(found, dict) and found.keys() == {"state", "param_groups"}, "an optimizer lacks its state")
    groups, own = found["param_groups"], optimizer.state_dict()["param_groups"]
    _require(isinstance(groups, list) and all(isinstance(group, dict) for group in groups), "it lacks param_groups")
    # snapshots of torch's AdamW have further settings in each group
    known = [{name: group[name] for name in group if name in own[0]} for group in groups]
    _check_same_kind("param_groups", known, own)
    if found["state"] == {}:  # before the first step
        return
    _check_same_kind("state", found["state"], _after_a_step(optimizer))
    for name, value in ((name, value) for of in found["state"].values() for name, value in of.items()):
        _require(not bool(value.isnan().any()), f"{name} contains NaN")
        if value.dim() == 0:  # a count of steps
            _require(0 <= value.item() <= step, f"{name} is {value.item()}")


def _after_a_step(optimizer: Optimizer) -> dict[int, dict[str, Any]]:
    """The state per parameter of a new optimizer after a step with zero gradients; the step is then undone."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    before = [parameter.detach().clone() for parameter in parameters]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    optimizer.state.clear()
    with torch.no_grad():
        for parameter, value in zip(parameters, before, strict=True):
            parameter.copy_(value)
            parameter.grad = None
    return state


def _check_same_kind(name: str, found: Any, own: Any) -> None:
    """Raise ValueError unless both have the same structure: keys, shapes, types, and equal settings."""
    same = type(found) is type(own)
    if isinstance(own, Tensor):
        same = same and found.shape == own.shape and found.dtype == own.dtype and found.layout == own.layout
        # torch's fused kernels write past a tensor whose elements share memory; "meta" is a device without memory
        same = same and found.is_contiguous() and found.device.type == "cpu"
    elif isinstance(own, dict):
        same = same and found.keys() == own.keys()
    elif isinstance(own, list | tuple):
        same = same and len(found) == len(own)
    elif isinstance(own, float):
        same = _is_finite(found)
    else:
        same = same and found == own
    _require(same, f"{name} is not what this run's model needs")
    if isinstance(own, dict):
        for key in own:
            _check_same_kind(f"{name} {key}", found[key], own[key])
    elif isinstance(own, list | tuple):
        for index, value in enumerate(own):
            _check_same_kind(f"{name} {index}", found[index], value)


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def _require(right: bool, problem: str) -> None:
    if not right:
        raise ValueError(problem)
