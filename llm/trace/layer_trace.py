"""The trace of one layer: its code, and the tensors that its lines computed on a real text.

`record_forward_pass` runs a model once and keeps each layer's inputs and the gradient of the loss at its output.
`trace_layer` then runs one layer again on the same inputs, in any implementation, and keeps every line's tensors: one
layer's tensors fit into memory where those of all layers of a large model would not. The arithmetic is the same, so the
layer's output equals that of the whole pass bit for bit.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from llm.model import Transformer
from llm.runtime.stepwise import stepwise
from llm.trace.forward_pass import ForwardPass, propagate_back, run_stages, stages
from llm.trace.line_trace import TracedLine, trace_lines
from llm.trace.statements import Statement, axis_names, statements


@dataclass(frozen=True)
class Variable:
    """A tensor with its name and the names of its axes; `gradient` is that of the loss with respect to it."""

    name: str
    axes: tuple[str, ...]
    tensor: Tensor
    gradient: Tensor | None


@dataclass
class Step:
    """One executed statement and the variables it made. `call` counts the calls of the traced function from 0."""

    statement: Statement
    call: int
    variables: list[Variable]
    line: TracedLine = field(repr=False)


@dataclass
class LayerTrace:
    """The trace of one layer in one implementation. `first` and `last` are the first and last line of its code."""

    path: str
    implementation: str
    file: Path
    class_name: str
    first: int
    last: int
    steps: list[Step]
    outputs: list[Tensor]  # one for each call


@stepwise
def trace_layer(forward_pass: ForwardPass, path: str, model: Transformer) -> Generator[None, None, LayerTrace]:
    """Run one layer of `model`, in its implementation, on the recorded inputs, and keep every line's tensors.

    A layer is traced in one part; the whole model yields after each of its stages, then traces its own few lines.

    Raises:
        ValueError: the model has no such layer.
    """
    if path not in forward_pass.calls:
        paths = ", ".join(layer or "the model itself" for layer in forward_pass.calls)
        raise ValueError(f"There is no layer {path!r:.80}: choose one of {paths}")
    if path == "":
        stage_outputs, _ = yield from run_stages.steps(model, forward_pass.tokens)
        return _trace_model(forward_pass, model, stage_outputs)
    module = model.get_submodule(path)
    outputs: list[Tensor] = []

    def run() -> None:
        for call in forward_pass.calls[path]:
            outputs.append(module(*map(as_leaf, call.inputs)))

    with torch.enable_grad():
        lines = trace_lines(run, [_forward_file(module)], only=lambda traced: traced is module, store=_retain_gradient)
        backward(forward_pass, path, outputs)
    return _layer_trace(forward_pass, path, model, lines, [output.detach() for output in outputs])


def _trace_model(forward_pass: ForwardPass, model: Transformer, stage_outputs: list[Tensor]) -> LayerTrace:
    """The model's own lines, given what its stages return; the gradients of those outputs are the recorded ones."""
    outputs: list[Tensor] = []
    paths = stages(list(forward_pass.calls))
    with torch.no_grad(), _fixed_outputs(model, zip(paths, stage_outputs, strict=True)):
        lines = trace_lines(
            lambda: outputs.append(model(forward_pass.tokens)),
            [_forward_file(model)],
            only=lambda traced: traced is model,
        )
    trace = _layer_trace(forward_pass, "", model, lines, outputs)
    gradients = {
        output.data_ptr(): forward_pass.calls[path][0].gradient
        for path, output in zip(paths, stage_outputs, strict=True)
    }
    for step in trace.steps:
        step.variables = [
            replace(variable, gradient=gradients.get(variable.tensor.data_ptr())) for variable in step.variables
        ]
    return trace


@contextmanager
def _fixed_outputs(model: Transformer, outputs: Iterable[tuple[str, Tensor]]) -> Iterator[None]:
    """Within this context each of these layers returns its given output without computing it."""
    modules = [(model.get_submodule(path), output) for path, output in outputs]
    for module, output in modules:
        module.forward = lambda *_, output=output: output
    try:
        yield
    finally:
        for module, _ in modules:
            del module.forward


def backward(forward_pass: ForwardPass, path: str, outputs: list[Tensor]) -> None:
    """Propagate the recorded gradients at this layer's outputs back through newly computed outputs."""
    pairs = [(output, call.gradient) for output, call in zip(outputs, forward_pass.calls[path], strict=True)]
    differentiable = [(output, gradient) for output, gradient in pairs if gradient is not None and output.requires_grad]
    if differentiable:
        propagate_back(differentiable)


def as_leaf(value: Any) -> Any:
    """A copy of an input that is a leaf of its own graph, so that it receives a gradient."""
    if not isinstance(value, Tensor):
        return value
    leaf = value.detach().clone()
    return leaf.requires_grad_() if leaf.is_floating_point() else leaf


def _retain_gradient(tensor: Tensor) -> Tensor:
    if tensor.requires_grad and not tensor.is_leaf:
        tensor.retain_grad()
    return tensor


def _layer_trace(
    forward_pass: ForwardPass, path: str, model: Transformer, lines: list[TracedLine], outputs: list[Tensor]
) -> LayerTrace:
    calls = {call: index for index, call in enumerate(sorted({line.call for line in lines}))}
    known_axes: dict[str, tuple[str, ...]] = {}
    steps = []
    for line in lines:
        variables = []
        for name, tensor in line.tensors.items():
            axes = axis_names(line.statement.axes or known_axes.get(name), tensor.ndim)
            known_axes[name] = axes
            gradient = tensor.grad if tensor.requires_grad else None
            if name == "return" and gradient is None:
                gradient = forward_pass.calls[path][calls[line.call]].gradient
            variables.append(Variable(name, axes, tensor.detach(), gradient))
        steps.append(Step(line.statement, calls[line.call], variables, line))
    return replace(locate_code(model, path), steps=steps, outputs=outputs)


def locate_code(model: Transformer, path: str) -> LayerTrace:
    """Where a layer's `forward` is defined: a trace without steps."""
    layer = model.get_submodule(path)
    code, file = _forward_code(layer), _forward_file(layer)
    end = max(line for _, _, line in code.co_lines() if line is not None)
    by_line = statements(file)
    last = by_line[end].last if end in by_line else end
    return LayerTrace(path, model.implementation, file, type(layer).__name__, code.co_firstlineno, last, [], [])


def _forward_code(layer: nn.Module) -> CodeType:
    return inspect.unwrap(type(layer).forward).__code__


def _forward_file(layer: nn.Module) -> Path:
    return Path(_forward_code(layer).co_filename)
