"""Code beyond the layers, read in the same way: functions of any file, run on live data, line by line.

The functions are given, not imported: this module knows how to trace them, not where they live.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from llm.config import Implementation
from llm.model import Transformer
from llm.tokenizers import Tokenizer
from llm.trace.forward_pass import ForwardPass
from llm.trace.layers import Comparison, LayerTrace, Step, Variable, axis_names
from llm.trace.lines import source, trace
from llm.trace.reading import Reading

CODE = cast(Implementation, "code")  # there is one way to write it: no implementations to compare


@dataclass(frozen=True)
class Subject:
    """A piece of code: functions of a file, how to run them, and the axes of tensors whose lines state none."""

    title: str
    file: Path
    functions: tuple[str, ...]
    run: Callable[[], Any]
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class LiveCode(Reading):
    """Subjects to read, each traced when it is first asked for. Tensors are copied: some code works in place."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, text: str,
        subjects: Callable[[ForwardPass], dict[str, Subject]],
    ) -> None:  # fmt: skip
        """`subjects` makes them from the forward pass of the model on the text. Raises ValueError as a `Reading`."""
        super().__init__(model, tokenizer, text)
        self.names = (CODE,)
        self._make_subjects = subjects

    @cached_property
    def subjects(self) -> dict[str, Subject]:
        """What can be read, by name."""
        return self._make_subjects(self.recorded)

    @property
    def layers(self) -> dict[str, str]:
        """Name and title of each subject."""
        return {path: subject.title for path, subject in self.subjects.items()}

    def comparing(self, path: str) -> Iterator[list[Comparison] | None]:
        """Nothing: there is one implementation."""
        yield []

    def _tracing(self, path: str, implementation: Implementation) -> Generator[None, None, LayerTrace]:
        if path not in self.subjects:
            raise ValueError(f"There is nothing called {path!r:.80}: choose one of {', '.join(self.subjects)}")
        yield from ()
        return _trace_subject(path, self.subjects[path])


def weight_gradient(recorded: ForwardPass, path: str, name: str) -> tuple[Tensor, Tensor]:
    """A copy of a layer's weight and the gradient of the loss with respect to it (zero for a text of one token).

    Only that layer runs again, with the gradient that came back to it in the recorded pass.
    """
    module = recorded.model.get_submodule(path)
    weight = module.get_parameter(name).detach().clone()
    gradient = torch.zeros_like(weight)
    for call in recorded.calls[path]:
        if call.gradient is not None:
            leaf = weight.clone().requires_grad_()
            with torch.enable_grad():
                output = torch.func.functional_call(module, {name: leaf}, call.inputs)
                gradient += torch.autograd.grad((output * call.gradient).sum(), leaf)[0]
    return weight, gradient


def _trace_subject(path: str, subject: Subject) -> LayerTrace:
    lines = trace(subject.run, [subject.file], subject.functions, keep=lambda tensor: tensor.detach().clone())
    order = {call: place for place, call in enumerate(dict.fromkeys(line.call for line in lines))}
    steps = [
        Step(
            line.statement,
            order[line.call],
            [
                Variable(name, axis_names(line.statement.axes or subject.axes.get(name), tensor.ndim), tensor, None)
                for name, tensor in line.tensors.items()
            ],
            line,
        )
        for line in lines
    ]
    functions = [
        node
        for node in ast.walk(ast.parse(source(subject.file)))
        if isinstance(node, ast.FunctionDef) and node.name in subject.functions
    ]
    first, last = min(one.lineno for one in functions), max(one.end_lineno or one.lineno for one in functions)
    return LayerTrace(path, CODE, subject.file, ", ".join(subject.functions), first, last, steps, [])
