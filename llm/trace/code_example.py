"""Code outside the layers, traced in the same way: functions of any file, called on live data.

The functions are passed in, not imported: this module knows how to trace them, not which ones exist.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llm.trace.forward_pass import ForwardPass
from llm.trace.layer_trace import LayerTrace, Step, Variable
from llm.trace.line_trace import trace_lines
from llm.trace.statements import axis_names, source_text


@dataclass(frozen=True)
class CodeExample:
    """Functions of one file, and a call that runs them on a recorded forward pass.

    `axes` names the axes of variables whose lines state no shape.
    """

    title: str
    file: Path
    functions: tuple[str, ...]
    run: Callable[[ForwardPass], Any]
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def trace_example(example: CodeExample, path: str, implementation: str, forward_pass: ForwardPass) -> LayerTrace:
    """Run an example and keep a copy of every line's tensors: a copy, because some code works in place."""
    lines = trace_lines(
        lambda: example.run(forward_pass),
        [example.file],
        example.functions,
        store=lambda tensor: tensor.detach().clone(),
    )
    calls = {call: index for index, call in enumerate(dict.fromkeys(line.call for line in lines))}
    steps = [
        Step(
            line.statement,
            calls[line.call],
            [
                Variable(name, axis_names(line.statement.axes or example.axes.get(name), tensor.ndim), tensor, None)
                for name, tensor in line.tensors.items()
            ],
            line,
        )
        for line in lines
    ]
    functions = [
        node
        for node in ast.walk(ast.parse(source_text(example.file)))
        if isinstance(node, ast.FunctionDef) and node.name in example.functions
    ]
    first = min(node.lineno for node in functions)
    last = max(node.end_lineno or node.lineno for node in functions)
    return LayerTrace(path, implementation, example.file, ", ".join(example.functions), first, last, steps, [])


def weight_gradient(forward_pass: ForwardPass, path: str, name: str) -> tuple[Tensor, Tensor]:
    """A copy of a layer's weight and the gradient of the loss with respect to it (zero for a text of one token).

    Only that layer runs again, with the gradient that reached its output in the recorded pass.
    """
    module = forward_pass.model.get_submodule(path)
    weight = module.get_parameter(name).detach().clone()
    gradient = torch.zeros_like(weight)
    for call in forward_pass.calls[path]:
        if call.gradient is not None:
            leaf = weight.clone().requires_grad_()
            with torch.enable_grad():
                output = torch.func.functional_call(module, {name: leaf}, call.inputs)
                gradient += torch.autograd.grad((output * call.gradient).sum(), leaf)[0]
    return weight, gradient
