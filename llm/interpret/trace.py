"""Follow a forward pass line by line, with Python's own tracing, and keep the tensors that each line made.

Only frames of functions named `forward` in the given files are followed: the trace is of the code that a reader sees.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from torch import Tensor

SHAPE_COMMENT = re.compile(r"#\s*\[([^\]]*)\]")


@dataclass(frozen=True)
class Statement:
    """A statement of a source file: its lines, the variables it assigns, the axes that its shape comment names."""

    first: int
    last: int
    targets: tuple[str, ...]
    axes: tuple[str, ...] | None


@dataclass
class TracedLine:
    """One executed statement and the tensors it made, by variable name; "return" names a returned tensor."""

    path: Path
    module: Any
    statement: Statement
    tensors: dict[str, Tensor] = field(default_factory=dict)


@cache
def statements(path: Path) -> dict[int, Statement]:
    """The simple statement that each line of a source file belongs to, with its shape comment."""
    source = path.read_text(encoding="utf-8")
    comments = {
        token.start[0]: tuple(axis.strip() for axis in match[1].split(","))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and (match := SHAPE_COMMENT.search(token.string))
    }
    found: dict[int, Statement] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr):
            last = node.end_lineno or node.lineno
            axes = next((comments[line] for line in range(last, node.lineno - 1, -1) if line in comments), None)
            stored = (name for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store))
            targets = tuple(name.id for name in stored)
            for line in range(node.lineno, last + 1):
                found[line] = Statement(node.lineno, last, targets, axes)
    return found


def trace(function: Callable[[], Any], paths: Sequence[Path]) -> list[TracedLine]:
    """Run `function` and return every statement of a `forward` in `paths` that it executed, in order of completion.

    Tensors are kept, not copied. The tracing that was active before (a debugger's, say) is restored.
    """
    followed = {str(path.resolve()): path.resolve() for path in paths}
    lines: list[TracedLine] = []

    def follow(frame: FrameType, event: str, _: Any) -> Any:
        path = followed.get(str(Path(frame.f_code.co_filename).resolve())) if event == "call" else None
        if path is None or frame.f_code.co_name != "forward":
            return None
        running: Statement | None = None

        def finish(result: Any = None) -> None:
            nonlocal running
            if running is None:
                return
            made = {name: frame.f_locals[name] for name in running.targets} | {"return": result}
            tensors = {name: value for name, value in made.items() if isinstance(value, Tensor)}
            lines.append(TracedLine(path, frame.f_locals.get("self"), running, tensors))
            running = None

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal running
            if event == "line":
                statement = statements(path).get(frame.f_lineno)
                if statement != running:
                    finish()
                    running = statement
            elif event == "return":
                finish(argument)
            return step

        return step

    previous = sys.gettrace()
    sys.settrace(follow)
    try:
        function()
    finally:
        sys.settrace(previous)
    return lines


def shape_of(tensor: Tensor, axes: tuple[str, ...], sizes: dict[str, int]) -> str | None:
    """None if a tensor has the shape that a comment states, else a sentence that says how they differ.

    An axis is a name in `sizes`, a number, or a product as in head·d_head; a leading `...` stands for any axes.
    """
    shape = tuple(tensor.shape)
    named = axes[1:] if axes[0] == "..." else axes
    stated = []
    for axis in named:
        size = 1
        for factor in axis.split("·"):
            size *= int(factor) if factor.isdigit() else sizes[factor]
        stated.append(size)
    actual = shape[len(shape) - len(named) :] if axes[0] == "..." else shape
    if tuple(stated) == actual:
        return None
    return f"states [{', '.join(axes)}] = {stated}, but the tensor is {list(shape)}"
