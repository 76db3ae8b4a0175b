"""A forward pass as it can be read: each layer's code beside the tensors that its lines made of a real text.

`record_pass` runs a model once and keeps what went into every layer and the gradient of the loss that came back to it.
`trace_layer` then runs one layer again on that very input, in any implementation, and keeps every line's tensors: a
layer's share of a large model fits where all layers' tensors together would not. The arithmetic is the same, so the
layer's output is, to the last bit, that of the whole pass.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from llm.config import Implementation
from llm.model import Transformer
from llm.trace.forward_pass import ForwardPass, complete, recording, send_back, source_files, stages, walk
from llm.trace.lines import Statement, TracedLine, statements, trace

SAMPLE = 4096


@dataclass(frozen=True)
class Variable:
    """A tensor with its name and the names of its axes; `gradient` is that of the loss with respect to it."""

    name: str
    axes: tuple[str, ...]
    tensor: Tensor
    gradient: Tensor | None


@dataclass
class Step:
    """One executed statement, and what it made."""

    statement: Statement
    call: int
    variables: list[Variable]
    line: TracedLine = field(repr=False)


@dataclass
class LayerTrace:
    """The trace of one layer in one implementation. `first` and `last` are the lines of `forward` in `file`."""

    path: str
    implementation: Implementation
    file: Path
    class_name: str
    first: int
    last: int
    steps: list[Step]
    output: list[Tensor]


def record_pass(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> ForwardPass:
    """Run the model once and keep every layer's inputs, output, and the gradient of the loss at that output."""
    return complete(recording(model, tokens))


def trace_layer(recorded: ForwardPass, path: str, model: Transformer) -> LayerTrace:
    """Run one layer of `model`, in its implementation, on the recorded inputs, and keep every line's tensors.

    Raises:
        ValueError: the model has no such layer.
    """
    return complete(tracing(recorded, path, model))


def tracing(recorded: ForwardPass, path: str, model: Transformer) -> Generator[None, None, LayerTrace]:
    """`trace_layer` in parts. A layer is one; the model as a whole is its stages, and then its own few lines."""
    if path not in recorded.calls:
        known = ", ".join(layer or "the model itself" for layer in recorded.calls)
        raise ValueError(f"There is no layer {path!r:.80}: choose one of {known}")
    if path == "":
        made, _ = yield from walk(model, recorded.tokens)
        return _trace_stages(recorded, model, made)
    module = model.get_submodule(path)
    outputs: list[Tensor] = []

    def run() -> None:
        for call in recorded.calls[path]:
            outputs.append(module(*map(_fresh, call.inputs)))

    with torch.enable_grad():
        lines = trace(run, source_files(), of=lambda one: one is module, keep=_retain)
        _backward(recorded, path, outputs)
    return _layer_trace(recorded, path, model, lines, [output.detach() for output in outputs])


def _trace_stages(recorded: ForwardPass, model: Transformer, made: list[Tensor]) -> LayerTrace:
    """The model's own lines, its stages having run before; the gradients of what they made are the recorded ones."""
    outputs: list[Tensor] = []
    paths = stages(list(recorded.calls))
    with torch.no_grad(), _answering(model, zip(paths, made, strict=True)):
        lines = trace(lambda: outputs.append(model(recorded.tokens)), source_files(), of=lambda one: one is model)
    traced = _layer_trace(recorded, "", model, lines, outputs)
    gradients = {output.data_ptr(): recorded.calls[path][0].gradient for path, output in zip(paths, made, strict=True)}
    for step in traced.steps:
        step.variables = [
            replace(variable, gradient=gradients.get(variable.tensor.data_ptr())) for variable in step.variables
        ]
    return traced


@contextmanager
def _answering(model: Transformer, answers: Iterable[tuple[str, Tensor]]) -> Iterator[None]:
    """While this lasts, each of these layers gives its answer without computing."""
    modules = [(model.get_submodule(path), answer) for path, answer in answers]
    for module, answer in modules:
        module.forward = lambda *_, answer=answer: answer
    try:
        yield
    finally:
        for module, _ in modules:
            del module.forward


def trace_model(recorded: ForwardPass, model: Transformer) -> dict[str, LayerTrace]:
    """Every layer's trace, of one whole forward pass. For models whose tensors all fit into memory together."""
    with torch.no_grad():
        outputs: list[Tensor] = []
        lines = trace(lambda: outputs.append(model(recorded.tokens)), source_files())
    by_module: dict[int, list[TracedLine]] = {}
    for line in lines:
        by_module.setdefault(id(line.module), []).append(line)
    traces = {}
    for path in recorded.calls:
        own = by_module[id(model.get_submodule(path))]
        returned = [line.tensors["return"] for line in own if "return" in line.tensors]
        traces[path] = _layer_trace(recorded, path, model, own, returned)
    return traces


@dataclass(frozen=True)
class Comparison:
    """How far one implementation is from another on the same input, and how long it takes.

    The differences are the largest over all numbers of the output, and of the gradient of the loss with respect to the
    input. `seconds` is the least of a few untraced runs.
    """

    implementation: Implementation
    output: float
    gradient: float | None
    seconds: float


def compare(
    recorded: ForwardPass, path: str, models: dict[Implementation, Transformer], reference: Implementation = "einops"
) -> list[Comparison]:
    """Every implementation of one layer against `reference`, on the recorded input."""
    return complete(comparing(recorded, path, models, reference))


def comparing(
    recorded: ForwardPass, path: str, models: dict[Implementation, Transformer], reference: Implementation = "einops"
) -> Generator[None, None, list[Comparison]]:
    """`compare` in parts: each implementation's way forward, and its way back."""
    results = {}
    for name, model in models.items():
        output, seconds = yield from _timed(recorded, path, model)
        yield
        results[name] = (output, _input_gradient(recorded, path, model), seconds)
        yield
    output, gradient, _ = results[reference]
    compared = []
    for name, (other, other_gradient, seconds) in results.items():
        apart = None if gradient is None or other_gradient is None else _largest(gradient, other_gradient)
        compared.append(Comparison(name, _largest(output, other), apart, seconds))
    return compared


def counterparts(one: LayerTrace, other: LayerTrace) -> dict[int, int]:
    """For steps of `one`, the step of `other` that makes the same variable: same name, same shape, same numbers.

    Where several do, the k-th is paired with the k-th, as far as there are so many.
    """
    pairs: dict[int, int] = {}
    for index, step in enumerate(one.steps):
        for variable in step.variables:
            candidates = [
                place
                for place, found in enumerate(other.steps)
                if found.call == step.call and any(_same(variable, made) for made in found.variables)
            ]
            earlier = [
                place
                for place, found in enumerate(one.steps[:index])
                if found.call == step.call and any(_same(variable, made) for made in found.variables)
            ]
            if candidates:
                pairs[index] = candidates[min(len(earlier), len(candidates) - 1)]
                break
    return pairs


def _same(one: Variable, other: Variable) -> bool:
    if one.name != other.name or one.tensor.shape != other.tensor.shape or one.tensor.dtype != other.tensor.dtype:
        return False
    size = one.tensor.numel()
    some = torch.arange(0, size, max(1, size // SAMPLE), device=one.tensor.device)  # of a large tensor enough to tell
    return torch.allclose(one.tensor.take(some), other.tensor.take(some), rtol=1e-3, atol=1e-4)


def _timed(recorded: ForwardPass, path: str, model: Transformer) -> Generator[None, None, tuple[Tensor, float]]:
    """The output over all recorded calls, end to end, and the seconds of one round: the least of a few."""
    if path == "":
        made, seconds = yield from walk(model, recorded.tokens)
        return made[-1].flatten(), seconds
    module, calls = model.get_submodule(path), recorded.calls[path]
    rounds: list[float] = []
    with torch.no_grad():
        while len(rounds) < 5 and sum(rounds) < 0.3:
            start = time.perf_counter()
            outputs = [module(*call.inputs) for call in calls]
            rounds.append(time.perf_counter() - start)
    return torch.cat([one.flatten() for one in outputs]), min(rounds)


def _input_gradient(recorded: ForwardPass, path: str, model: Transformer) -> Tensor | None:
    """The gradient of the loss at what went in, end to end; None for token ids or numbers, at which none arrives."""
    given = [tuple(map(_fresh, call.inputs)) for call in recorded.calls[path]]
    leaves = [value for inputs in given for value in inputs if isinstance(value, Tensor) and value.requires_grad]
    if not leaves:
        return None
    with torch.enable_grad():
        _backward(recorded, path, [model.get_submodule(path)(*inputs) for inputs in given])
    found = [leaf.grad.flatten() for leaf in leaves if leaf.grad is not None]
    return torch.cat(found) if found else None


def _largest(one: Tensor, other: Tensor) -> float:
    """The largest difference; equal infinities differ by nothing."""
    return torch.where(one == other, 0.0, (one - other).abs()).max().item()


def _backward(recorded: ForwardPass, path: str, outputs: list[Tensor]) -> None:
    """Send the gradient that came back to this layer in the recorded pass through its own lines."""
    pairs = [(output, call.gradient) for output, call in zip(outputs, recorded.calls[path], strict=True)]
    wanted = [(output, gradient) for output, gradient in pairs if gradient is not None and output.requires_grad]
    if wanted:
        send_back(wanted)


def _fresh(value: Any) -> Any:
    """An input as a leaf of its own, so that a gradient can arrive at it."""
    if not isinstance(value, Tensor):
        return value
    leaf = value.detach().clone()
    return leaf.requires_grad_() if leaf.is_floating_point() else leaf


def _retain(tensor: Tensor) -> Tensor:
    if tensor.requires_grad and not tensor.is_leaf:
        tensor.retain_grad()
    return tensor


def _layer_trace(
    recorded: ForwardPass, path: str, model: Transformer, lines: list[TracedLine], outputs: list[Tensor]
) -> LayerTrace:
    first_call = min((line.call for line in lines), default=1)
    ordinal = {call: place for place, call in enumerate(sorted({line.call for line in lines} | {first_call}))}
    names: dict[str, tuple[str, ...]] = {}
    steps = []
    for line in lines:
        variables = []
        for name, tensor in line.tensors.items():
            stated = line.statement.axes or names.get(name)
            axes = axis_names(stated, tensor.ndim)
            names[name] = axes
            gradient = tensor.grad if tensor.requires_grad else None
            if name == "return" and gradient is None:
                gradient = recorded.calls[path][ordinal[line.call]].gradient
            variables.append(Variable(name, axes, tensor.detach(), gradient))
        steps.append(Step(line.statement, ordinal[line.call], variables, line))
    return replace(layer_code(model, path), steps=steps, output=outputs)


def layer_code(model: Transformer, path: str) -> LayerTrace:
    """Where a layer's `forward` stands, without a trace."""
    kind = type(model.get_submodule(path))
    code = inspect.unwrap(kind.forward).__code__
    file = Path(inspect.getsourcefile(kind) or "")
    end = max(line for _, _, line in code.co_lines() if line is not None)
    written = statements(file)
    last = written[end].last if end in written else end
    return LayerTrace(path, model.implementation, file, kind.__name__, code.co_firstlineno, last, [], [])


def axis_names(stated: tuple[str, ...] | None, ndim: int) -> tuple[str, ...]:
    """One name for each axis of a tensor; `...` stands for batch, perhaps head, and pos."""
    if stated is None:
        return ("?",) * ndim
    if stated[0] != "...":
        return stated if len(stated) == ndim else ("?",) * ndim
    before = ndim - (len(stated) - 1)
    leading = {1: ("pos",), 2: ("batch", "pos"), 3: ("batch", "head", "pos")}.get(before, ("?",) * max(before, 0))
    return (*leading, *stated[1:])
