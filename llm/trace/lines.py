"""Follow a forward pass line by line, with Python's own tracing, and keep the tensors that each line made.

Only frames of the named functions (`forward`) in the given files are followed: the trace is of the code that a reader
sees. Source files are read when they are asked for, so an edited file shows its new text.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
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
    """One executed statement and the tensors it made, by variable name; "return" names a returned tensor.

    `before` are the function's variables as the statement found them, `names` what the file around it defines, `call`
    counts the followed calls, so that two calls of one function can be told apart.
    """

    path: Path
    module: Any
    statement: Statement
    tensors: dict[str, Tensor] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict, repr=False)
    names: dict[str, Any] = field(default_factory=dict, repr=False)
    call: int = 0
    values: dict[str, Any] = field(default_factory=dict, repr=False)  # what else it made: numbers, lists, texts


def source(path: Path) -> str:
    """The text of a source file as it is now."""
    return path.read_text(encoding="utf-8")


def statements(path: Path) -> dict[int, Statement]:
    """The simple statement that each line of a source file belongs to, with its shape comment."""
    return _statements(source(path))


@lru_cache(maxsize=64)
def _statements(text: str) -> dict[int, Statement]:
    comments = {
        token.start[0]: tuple(axis.strip() for axis in match[1].split(","))
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and (match := SHAPE_COMMENT.search(token.string))
    }
    found: dict[int, Statement] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr):
            last = node.end_lineno or node.lineno
            axes = next((comments[line] for line in range(last, node.lineno - 1, -1) if line in comments), None)
            for line in range(node.lineno, last + 1):
                found[line] = Statement(node.lineno, last, _targets(node), axes)
    return found


def _targets(node: ast.stmt) -> tuple[str, ...]:
    """The variables that a statement assigns, or changes in place by a method such as `mean.mul_(…).add_(…)`."""
    if isinstance(node, ast.Expr):
        inner, changes = node.value, False
        while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            changes = changes or (inner.func.attr.endswith("_") and not inner.func.attr.endswith("__"))
            inner = inner.func.value
        return (inner.id,) if changes and isinstance(inner, ast.Name) else ()
    return tuple(name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store))


def trace(
    function: Callable[[], Any],
    paths: Sequence[Path],
    functions: Collection[str] = ("forward",),
    of: Callable[[Any], bool] = lambda module: True,
    keep: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> list[TracedLine]:
    """Run `function` and return every statement of the named functions in `paths` that it executed, in order.

    The order is that of completion. `of` chooses calls by their `self` (None for a plain function). `keep` is given
    each tensor that a statement made and returns what to remember: the tensor itself, not a copy, unless told
    otherwise. The tracing that was active before (a debugger's, say) is restored.
    """
    followed = {str(path.resolve()): path.resolve() for path in paths}
    known: dict[Path, dict[int, Statement]] = {path: statements(path) for path in followed.values()}
    wanted: dict[CodeType, Path | None] = {}
    lines: list[TracedLine] = []
    calls = 0

    def file_of(code: CodeType) -> Path | None:
        if code not in wanted:
            named = code.co_name in functions
            wanted[code] = followed.get(str(Path(code.co_filename).resolve())) if named else None
        return wanted[code]

    def follow(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal calls
        path = file_of(frame.f_code) if event == "call" else None
        if path is None or not of(frame.f_locals.get("self")):
            return None
        calls += 1
        call = calls
        running: Statement | None = None
        before: dict[str, Any] = {}

        def finish(result: Any = None) -> None:
            nonlocal running
            if running is None:
                return
            made = {name: frame.f_locals[name] for name in running.targets if name in frame.f_locals}
            made |= {"return": result} if result is not None else {}
            tensors = {name: keep(value) for name, value in made.items() if isinstance(value, Tensor)}
            values = {name: value for name, value in made.items() if name not in tensors}
            module = frame.f_locals.get("self")
            lines.append(TracedLine(path, module, running, tensors, before, frame.f_globals, call, values))
            running = None

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal running, before
            if event == "exception":
                running = None  # it made nothing
            elif event == "line":
                statement = known[path].get(frame.f_lineno)
                if statement != running:
                    finish()
                    running, before = statement, dict(frame.f_locals)
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
