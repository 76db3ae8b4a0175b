"""The statements of a source file, with the shapes that their comments state: `# [batch, pos, d_model]`.

Files are read on each call, so an edited file shows its new text.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SHAPE_COMMENT = re.compile(r"#\s*\[([^\]]*)\]")


@dataclass(frozen=True)
class Statement:
    """A statement of a source file: its lines, the variables it assigns, the axes that its shape comment names.

    With `in_place` it changes the object that the target already names, by a method such as `mean.mul_(…).add_(…)`.
    """

    first: int
    last: int
    targets: tuple[str, ...]
    axes: tuple[str, ...] | None
    in_place: bool = False


def source_text(path: Path) -> str:
    """The text of a source file as it is now."""
    return path.read_text(encoding="utf-8")


def statements(path: Path) -> dict[int, Statement]:
    """The simple statement that each line of a source file belongs to, with its shape comment."""
    return statements_of(source_text(path))


@lru_cache(maxsize=64)
def statements_of(text: str) -> dict[int, Statement]:
    """`statements` of a source file, given its text."""
    comments = {
        token.start[0]: tuple(axis.strip() for axis in match[1].split(","))
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and (match := SHAPE_COMMENT.search(token.string))
    }
    by_line: dict[int, Statement] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr):
            last = node.end_lineno or node.lineno
            axes = next((comments[line] for line in range(last, node.lineno - 1, -1) if line in comments), None)
            for line in range(node.lineno, last + 1):
                by_line[line] = Statement(node.lineno, last, _targets(node), axes, isinstance(node, ast.Expr))
    return by_line


def _targets(node: ast.stmt) -> tuple[str, ...]:
    """The variables that a statement assigns, or changes in place by a method such as `mean.mul_(…).add_(…)`."""
    if isinstance(node, ast.Expr):
        inner, in_place = node.value, False
        while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            in_place = in_place or is_in_place(inner)
            inner = inner.func.value
        return (inner.id,) if in_place and isinstance(inner, ast.Name) else ()
    return tuple(name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store))


def is_in_place(node: ast.AST) -> bool:
    """Whether a node calls a method that changes its tensor, such as `mul_`."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    return node.func.attr.endswith("_") and not node.func.attr.endswith("__")


def shape_mismatch(shape: tuple[int, ...], axes: tuple[str, ...], sizes: dict[str, int]) -> str | None:
    """None if a tensor's shape is the one that a comment states, else how they differ: `states […], but …`.

    An axis is a name in `sizes`, a number, or a product as in head·d_head; a leading `...` stands for any axes.

    Raises:
        KeyError: the comment names an axis that is not in `sizes`.
    """
    named = axes[1:] if axes[0] == "..." else axes
    stated = []
    for axis in named:
        size = 1
        for factor in axis.split("·"):
            size *= int(factor) if factor.isdigit() else sizes[factor]
        stated.append(size)
    actual = shape[len(shape) - len(named) :] if axes[0] == "..." else shape
    if tuple(stated) == tuple(actual):
        return None
    return f"states [{', '.join(axes)}] = {stated}, but the tensor is {list(shape)}"


def axis_names(stated: tuple[str, ...] | None, ndim: int) -> tuple[str, ...]:
    """One name for each axis of a tensor; a leading `...` stands for pos, preceded by batch, head where there are more.

    Axes are named "?" without a comment, or if it names another number of axes.
    """
    if stated is None:
        return ("?",) * ndim
    if stated[0] != "...":
        return stated if len(stated) == ndim else ("?",) * ndim
    before = ndim - (len(stated) - 1)
    leading = {1: ("pos",), 2: ("batch", "pos"), 3: ("batch", "head", "pos")}.get(before, ("?",) * max(before, 0))
    return (*leading, *stated[1:])
