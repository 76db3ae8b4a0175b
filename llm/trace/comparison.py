"""How the implementations of a layer compare: differences in output and gradient, time, and corresponding lines."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from llm.model import Transformer
from llm.runtime.stepwise import stepwise
from llm.trace.forward_pass import ForwardPass, run_stages
from llm.trace.layer_trace import LayerTrace, Step, Variable, as_leaf, backward

ROUNDS = 5  # maximum timed runs of a layer
SECONDS = 0.3  # no further run after this time
SAMPLE = 4096  # elements of a large tensor that are compared


@dataclass(frozen=True)
class Comparison:
    """How much one implementation differs from another on the same input, and how long it takes.

    `output` and `gradient` are the largest absolute differences over all elements of the output, and of the gradient of
    the loss with respect to the input. `seconds` is the minimum of a few untraced runs.
    """

    implementation: str
    output: float
    gradient: float | None
    seconds: float


@stepwise
def compare_implementations(
    forward_pass: ForwardPass, path: str, models: Mapping[str, Transformer], reference: str = "einops"
) -> Generator[None, None, list[Comparison]]:
    """Compare every implementation of one layer with `reference`, on the recorded input.

    Yields after each implementation's forward and backward pass; for the whole model also after each stage.
    """
    results = {}
    for name, model in models.items():
        output, seconds = yield from _timed_output(forward_pass, path, model)
        yield
        results[name] = (output, _input_gradient(forward_pass, path, model), seconds)
        yield
    output, gradient, _ = results[reference]
    comparisons = []
    for name, (other, other_gradient, seconds) in results.items():
        gradient_difference = None
        if gradient is not None and other_gradient is not None:
            gradient_difference = _largest_difference(gradient, other_gradient)
        comparisons.append(Comparison(name, _largest_difference(output, other), gradient_difference, seconds))
    return comparisons


def _timed_output(
    forward_pass: ForwardPass, path: str, model: Transformer
) -> Generator[None, None, tuple[Tensor, float]]:
    """The outputs of all recorded calls, flattened and concatenated, and the seconds of the fastest run."""
    if path == "":
        stage_outputs, seconds = yield from run_stages.steps(model, forward_pass.tokens)
        return stage_outputs[-1].flatten(), seconds
    module, calls = model.get_submodule(path), forward_pass.calls[path]
    rounds: list[float] = []
    with torch.no_grad():
        while len(rounds) < ROUNDS and sum(rounds) < SECONDS:
            start = time.perf_counter()
            outputs = [module(*call.inputs) for call in calls]
            rounds.append(time.perf_counter() - start)
    return torch.cat([output.flatten() for output in outputs]), min(rounds)


def _input_gradient(forward_pass: ForwardPass, path: str, model: Transformer) -> Tensor | None:
    """The gradient of the loss at the inputs, flattened and concatenated; None where no input can have one."""
    inputs = [tuple(map(as_leaf, call.inputs)) for call in forward_pass.calls[path]]
    leaves = [value for values in inputs for value in values if isinstance(value, Tensor) and value.requires_grad]
    if not leaves:
        return None
    with torch.enable_grad():
        backward(forward_pass, path, [model.get_submodule(path)(*values) for values in inputs])
    gradients = [leaf.grad.flatten() for leaf in leaves if leaf.grad is not None]
    return torch.cat(gradients) if gradients else None


def _largest_difference(left: Tensor, right: Tensor) -> float:
    """The largest absolute difference; equal infinities do not differ."""
    return torch.where(left == right, 0.0, (left - right).abs()).max().item()


def corresponding_steps(trace: LayerTrace, other: LayerTrace) -> dict[int, int]:
    """The step of `other` that makes the same variable (name, shape and numbers) as a step of `trace`, both as indices.

    Where several steps do, the k-th of `trace` corresponds to the k-th of `other`, or to its last.
    """
    pairs: dict[int, int] = {}
    for index, step in enumerate(trace.steps):
        for variable in step.variables:
            candidates = _steps_making(variable, step.call, other.steps)
            earlier = _steps_making(variable, step.call, trace.steps[:index])
            if candidates:
                pairs[index] = candidates[min(len(earlier), len(candidates) - 1)]
                break
    return pairs


def _steps_making(variable: Variable, call: int, steps: list[Step]) -> list[int]:
    """The index of each of these steps that makes the same variable in the same call."""
    return [
        index
        for index, step in enumerate(steps)
        if step.call == call and any(_same_variable(variable, made) for made in step.variables)
    ]


def _same_variable(left: Variable, right: Variable) -> bool:
    if left.name != right.name or left.tensor.shape != right.tensor.shape or left.tensor.dtype != right.tensor.dtype:
        return False
    size = left.tensor.numel()
    sample = torch.arange(0, size, max(1, size // SAMPLE), device=left.tensor.device)
    return torch.allclose(left.tensor.take(sample), right.tensor.take(sample), rtol=1e-3, atol=1e-4)
