"""Where one number of a tensor came from: the numbers that the line read to make it.

The line's own source says what it did. A contraction (einsum, matmul, linear) is two vectors and the sum of their
products; a softmax is exponents and their sum; a mean or a norm is the numbers of its row; anything else is the cells
of the tensors that it read at the same place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from llm.trace.lines import TracedLine, source

STATISTICS = ("mean", "variance", "mean_square")  # of a norm, shown beside every cell that it made
MOST_NUMBERS = 4096  # of a vector that is handed on to be shown


@dataclass
class Part:
    """Numbers that went into a cell: a row of a tensor or one cell of it, with the code that names it."""

    name: str
    numbers: list[float]
    axis: str = ""


@dataclass
class Origin:
    """One cell and its making, with named results in `facts`.

    `kind` is contraction, softmax, mean, norm, hidden (inside a kernel) or cells.
    """

    kind: str
    expression: str
    value: float
    parts: list[Part] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)


def origin(line: TracedLine, name: str, axes: Sequence[str], cell: Sequence[int]) -> Origin:
    """How `line` made the cell of its tensor `name` at the index `cell`; `axes` names the tensor's axes.

    Raises:
        ValueError: the line made no such tensor, or it has no such cell.
    """
    if name not in line.tensors:
        raise ValueError(f"This line made no {name!r:.40}: it made {', '.join(line.tensors) or 'no tensor'}")
    tensor = line.tensors[name].detach()
    inside = len(cell) == tensor.ndim and all(0 <= at < size for at, size in zip(cell, tensor.shape, strict=True))
    if not inside:
        raise ValueError(f"{name} has no cell {list(cell)}: its shape is {list(tensor.shape)}")
    place = tuple(cell)
    node = _statement(line)
    found = Origin("cells", ast.unparse(node), tensor[place].item())
    for call in _calls(node):
        if _explain_call(call, line, place, tuple(axes), found):
            found.facts |= _divisor(node, line)
            return found
    cells = {
        ast.unparse(operand): value[_broadcast(place, value)].item()
        for operand, value in _operands(node, line)
        if _fits(value, tensor)
    }
    found.parts = [Part(operand, [value]) for operand, value in cells.items()]
    for statistic in STATISTICS:
        value = line.before.get(statistic)
        if isinstance(value, Tensor) and _fits(value, tensor):
            found.facts[statistic] = value[_broadcast(place, value)].item()
    return found


def _divisor(node: ast.stmt, line: TracedLine) -> dict[str, float]:
    """The number by which a line divides in the end, with the code that names it: √d_head, for attention's scores."""
    whole = getattr(node, "value", None)
    if not (isinstance(whole, ast.BinOp) and isinstance(whole.op, ast.Div)):
        return {}
    by = _evaluate(whole.right, line)
    return {f"divided by {ast.unparse(whole.right)}": float(by)} if isinstance(by, int | float) else {}


def _explain_call(call: ast.Call, line: TracedLine, place: tuple[int, ...], axes: tuple[str, ...], to: Origin) -> bool:
    """Fill in `to` if this call is one whose arithmetic is known."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    arguments = [_evaluate(argument, line) for argument in call.args]
    shown = [ast.unparse(argument) for argument in call.args]
    if called == "einsum" and isinstance(arguments[-1], str):
        left, right, summed = _einsum_vectors(arguments[0], arguments[1], arguments[-1], place)
        _contraction(to, shown[:2], left, right, " · ".join(summed))
    elif called == "matmul" and len(arguments) == 2:
        left, right = arguments
        row = left[_broadcast((*place[:-1], 0), left)[:-1]]
        column = right.mT[_broadcast((*place[:-2], place[-1], 0), right.mT)[:-1]]
        _contraction(to, shown, row, column, "")
    elif called == "linear":
        _contraction(to, shown[:2], arguments[0][place[:-1]], arguments[1][place[-1]], "")
        if len(arguments) > 2 and arguments[2] is not None:
            to.parts.append(Part(shown[2], [arguments[2][place[-1]].item()]))
    elif called == "softmax":
        scores = arguments[0] if arguments else _evaluate(call.func.value, line)  # type: ignore[attr-defined]
        shown_as = shown[0] if shown else ast.unparse(call.func.value)  # type: ignore[attr-defined]
        row = scores[place[:-1]]
        exponents = (row - row.max()).exp()
        to.kind = "softmax"
        to.parts = [_part(shown_as, row, axes[-1]), _part(f"exp({shown_as} − max)", exponents, axes[-1])]
        to.facts = {"maximum": row.max().item(), "sum of exponents": exponents.sum().item()}
    elif called == "reduce" or (called == "mean" and isinstance(call.func, ast.Attribute)):
        whole = arguments[0] if called == "reduce" else _evaluate(call.func.value, line)  # type: ignore[attr-defined]
        shown_as = shown[0] if called == "reduce" else ast.unparse(call.func.value)  # type: ignore[attr-defined]
        row = whole[place[:-1]]
        to.kind, to.parts = "mean", [_part(shown_as, row, "width")]
        to.facts = {"sum": row.double().sum().item(), "count": float(len(row)), "mean": row.double().mean().item()}
    elif called in ("layer_norm", "rms_norm"):
        row = arguments[0][place[:-1]]
        to.kind, to.parts = "norm", [_part(shown[0], row, axes[-1])]
        mean = row.double().mean().item()
        spread = {"mean": mean, "variance": row.double().var(correction=0).item()}
        to.facts = spread if called == "layer_norm" else {"mean of squares": row.double().square().mean().item()}
    elif called == "scaled_dot_product_attention":
        to.kind = "hidden"  # one kernel: the numbers in between are never stored
    else:
        return False
    return True


def _contraction(to: Origin, names: Sequence[str], left: Tensor, right: Tensor, axis: str) -> None:
    products = left.double() * right.double()
    to.kind = "contraction"
    to.parts = [_part(names[0], left, axis), _part(names[1], right, axis), _part("product", products, axis)]
    to.facts = {"sum of products": products.sum().item()}


def _einsum_vectors(
    left: Tensor, right: Tensor, pattern: str, place: tuple[int, ...]
) -> tuple[Tensor, Tensor, list[str]]:
    """The two vectors whose dot product a contraction is at this place, along the axes that it sums over."""
    inputs, output = pattern.split("->")
    names = [re.split(r"\s+", part.strip()) for part in inputs.split(",")]
    at = dict(zip(output.split(), place, strict=True))
    summed = [axis for axis in dict.fromkeys(names[0] + names[1]) if axis not in at]
    sizes = {axis: tensor.shape[i] for tensor, axes in zip((left, right), names, strict=True)
             for i, axis in enumerate(axes)}  # fmt: skip
    vectors = []
    for tensor, axes in ((left, names[0]), (right, names[1])):
        picked = tensor[tuple(at.get(axis, slice(None)) for axis in axes)]
        kept = [axis for axis in axes if axis not in at]
        picked = picked.permute([kept.index(axis) for axis in summed if axis in kept])
        shape = [sizes[axis] if axis in kept else 1 for axis in summed]
        vectors.append(picked.reshape(shape).expand([sizes[axis] for axis in summed]).flatten())
    return vectors[0], vectors[1], summed


def _part(name: str, numbers: Tensor, axis: str) -> Part:
    return Part(name, numbers.detach()[:MOST_NUMBERS].double().tolist(), axis)


def _statement(line: TracedLine) -> ast.stmt:
    for node in ast.walk(ast.parse(source(line.path))):
        if (
            isinstance(node, ast.stmt)
            and node.lineno == line.statement.first
            and node.end_lineno == line.statement.last
        ):
            return node
    raise ValueError(
        f"{line.path.name} has changed since it was traced: line {line.statement.first} is no longer there"
    )


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """Calls in a statement, the innermost last, as they are read."""
    return (call for call in ast.walk(node) if isinstance(call, ast.Call))


def _operands(node: ast.AST, line: TracedLine, arithmetic: bool = False) -> Iterator[tuple[ast.expr, Tensor]]:
    """The tensors that a statement works on: variables, attributes such as `self.w`, and what + − · / stand between."""
    if isinstance(node, ast.Name | ast.Attribute) or (arithmetic and not isinstance(node, ast.BinOp)):
        value = _evaluate(node, line)  # type: ignore[arg-type]
        if isinstance(value, Tensor):
            yield node, value  # type: ignore[misc]
            return
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Name | ast.Attribute) or isinstance(child.ctx, ast.Load):
            yield from _operands(child, line, isinstance(node, ast.BinOp))


def _evaluate(node: ast.expr, line: TracedLine) -> Any:
    """What an expression of the line was, worked out again from the variables before it. None where it cannot be."""
    try:
        with torch.no_grad():
            value = eval(compile(ast.Expression(node), str(line.path), "eval"), line.names, dict(line.before))
    except Exception:  # an expression that only makes sense in a part of the line that did not run
        return None
    return value.detach() if isinstance(value, Tensor) else value


def _fits(value: Tensor, made: Tensor) -> bool:
    """Whether a tensor lines up with the one that was made, cell by cell."""
    if value.ndim > made.ndim:
        return False
    return all(one in (1, other) for one, other in zip(value.shape[::-1], made.shape[::-1], strict=False))


def _broadcast(place: Sequence[int], value: Tensor) -> tuple[int, ...]:
    """The index into `value` that lines up with `place`."""
    aligned = tuple(place)[len(place) - value.ndim :]
    return tuple(0 if size == 1 else at for at, size in zip(aligned, value.shape, strict=True))
