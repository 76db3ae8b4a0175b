"""Code beyond the layers, read in the same way: functions of any file, run on live data, line by line.

The functions are given, not imported: this module knows how to trace them, not where they live.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Int
from torch import Tensor

from llm.config import Implementation
from llm.interpret.linetrace import Comparison, LayerTrace, Step, Variable, axis_names, next_token_loss
from llm.interpret.reading import Reading
from llm.interpret.trace import source, trace
from llm.model import Transformer
from llm.tokenizers import Tokenizer

CODE = cast(Implementation, "code")  # there is one way to write it: no implementations to compare


@dataclass(frozen=True)
class Subject:
    """A piece of code: functions of a file, how to run them, and the axes of tensors whose lines state none."""

    title: str
    file: Path
    functions: tuple[str, ...]
    run: Callable[[], Any]
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)


class LiveCode(Reading):
    """Subjects to read, each traced when it is first asked for. Tensors are copied: some code works in place."""

    def __init__(self, subjects: dict[str, Subject], tokenizer: Tokenizer, ids: list[int]) -> None:
        self.subjects = subjects
        self.tokenizer = tokenizer
        self.ids = ids
        self.names = (CODE,)
        self._traces = {}

    @property
    def layers(self) -> dict[str, str]:
        """Name and title of each subject."""
        return {path: subject.title for path, subject in self.subjects.items()}

    def compare(self, path: str) -> list[Comparison]:
        """Nothing: there is one implementation."""
        return []

    def trace(self, path: str, implementation: Implementation) -> LayerTrace:
        """One subject's trace. Raises ValueError for a path that is none."""
        if path not in self.subjects:
            raise ValueError(f"There is nothing called {path!r:.80}: choose one of {', '.join(self.subjects)}")
        found = self._traces.setdefault(path, {})
        if CODE not in found:
            found[CODE] = _trace_subject(path, self.subjects[path])
        return found[CODE]


def weight_gradient(model: Transformer, tokens: Int[Tensor, "batch pos"], name: str) -> tuple[Tensor, Tensor]:
    """A copy of a weight and the gradient of the loss on this text with respect to it (zero for one token alone)."""
    weight = model.get_parameter(name)
    with torch.enable_grad():
        loss = next_token_loss(model(tokens), tokens)
        gradient = torch.zeros_like(weight) if loss is None else torch.autograd.grad(loss, weight)[0]
    return weight.detach().clone(), gradient


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
