"""Where one element of a tensor comes from: the numbers that the line read to compute it.

The line's source tells the operation. A contraction (einsum, matmul, linear) is the dot product of two vectors; a
softmax is exponentials and their sum; a mean or a norm is the numbers of its row; anything else is the elements at the
same index of the tensors that it read.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from llm.layers.norm import REGISTRY as NORMS
from llm.trace.line_trace import TracedLine
from llm.trace.statements import is_in_place, source_text

MAX_NUMBERS = 4096  # elements shown of one vector

Index = tuple[int, ...]


@dataclass
class Part:
    """Numbers that an element was computed from: a row of a tensor or one element, with the code that names it."""

    name: str
    numbers: list[float]


@dataclass
class CellOrigin:
    """An element's value and how it was computed; `intermediates` are named intermediate results.

    `kind` is contraction, softmax, mean, sum, norm, fused (inside a kernel) or elementwise.
    """

    kind: str
    expression: str
    value: float
    parts: list[Part] = field(default_factory=list)
    intermediates: dict[str, float] = field(default_factory=dict)


def cell_origin(line: TracedLine, name: str, index: Sequence[int]) -> CellOrigin:
    """How `line` computed the element at `index` of its tensor `name`.

    Raises:
        ValueError: the line made no such tensor, or the tensor has no such element.
    """
    if name not in line.tensors:
        raise ValueError(f"This line made no {name!r:.40}: it made {', '.join(line.tensors) or 'no tensor'}")
    tensor, index = line.tensors[name].detach(), tuple(index)
    if len(index) != tensor.ndim or not all(0 <= i < size for i, size in zip(index, tensor.shape, strict=True)):
        raise ValueError(f"{name} has no element {list(index)}: its shape is {list(tensor.shape)}")
    node = _statement(line)
    origin = CellOrigin("elementwise", ast.unparse(node), tensor[index].item())
    for call in (child for child in ast.walk(node) if isinstance(child, ast.Call)):  # the outermost first
        explained = _explain_call(call, line, index)
        if explained is not None:
            origin.kind, origin.parts, intermediates = explained
            origin.intermediates = intermediates | _divisor(node, line)
            return origin
    elements = {
        ast.unparse(operand): value[_broadcast(index, value)].item()
        for operand, value in _operands(node, line)
        if _broadcasts_to(value, tensor)
    }
    origin.parts = [Part(operand, [value]) for operand, value in elements.items()]
    for statistic in sorted({name for norm in NORMS.values() for name in norm.statistics}):
        value = line.before.get(statistic)
        if isinstance(value, Tensor) and _broadcasts_to(value, tensor):
            origin.intermediates[statistic] = value[_broadcast(index, value)].item()
    return origin


# How one operation computes the element at an index. `values` are its operands, `names` the code that names them.
Explanation = tuple[list[Part], dict[str, float]]


def _explain_call(call: ast.Call, line: TracedLine, index: Index) -> tuple[str, list[Part], dict[str, float]] | None:
    """Kind, parts and intermediate results of a call in `OPERATIONS`; None for any other."""
    operands: list[ast.expr] = list(call.args)
    called = getattr(call.func, "id", "")
    if isinstance(call.func, ast.Attribute):
        called = call.func.attr
        if isinstance(_evaluate(call.func.value, line), Tensor):  # a method of the tensor that is its first operand
            operands.insert(0, call.func.value)
    values = [_evaluate(operand, line) for operand in operands]
    if not values or not isinstance(values[0], Tensor):
        return None
    if called == "reduce":
        called = values[-1]
    elif called == "sum" and not any(keyword.arg == "keepdim" for keyword in call.keywords):
        return None  # over an axis that the result no longer has
    if called not in OPERATIONS:
        return None
    kind, explain = OPERATIONS[called]
    return kind, *explain(values, [ast.unparse(operand) for operand in operands], index)


def _einsum(values: list[Any], names: list[str], index: Index) -> Explanation:
    return _dot_product(names, *_einsum_vectors(values[0], values[1], values[-1], index))


def _matmul(values: list[Any], names: list[str], index: Index) -> Explanation:
    left, right = values[0], values[1].mT
    row = left[_broadcast((*index[:-1], 0), left)[:-1]]
    column = right[_broadcast((*index[:-2], index[-1], 0), right)[:-1]]
    return _dot_product(names, row, column)


def _linear(values: list[Any], names: list[str], index: Index) -> Explanation:
    parts, intermediates = _dot_product(names, values[0][index[:-1]], values[1][index[-1]])
    if len(values) > 2 and values[2] is not None:
        parts.append(Part(names[2], [values[2][index[-1]].item()]))
    return parts, intermediates


def _softmax(values: list[Any], names: list[str], index: Index) -> Explanation:
    row = values[0][index[:-1]]
    exponentials = (row - row.max()).exp()
    parts = [_part(names[0], row), _part(f"exp({names[0]} − max)", exponentials)]
    return parts, {"maximum": row.max().item(), "sum of exponentials": exponentials.sum().item()}


def _mean(values: list[Any], names: list[str], index: Index) -> Explanation:
    row = values[0][index[:-1]]
    numbers = row.double()
    return [_part(names[0], row)], {
        "sum": numbers.sum().item(), "count": float(len(row)), "mean": numbers.mean().item(),
    }  # fmt: skip


def _sum(values: list[Any], names: list[str], index: Index) -> Explanation:
    row = values[0][index[:-1]]
    return [_part(names[0], row)], {"sum": row.double().sum().item(), "count": float(len(row))}


def _layer_norm(values: list[Any], names: list[str], index: Index) -> Explanation:
    row = values[0][index[:-1]]
    numbers = row.double()
    return [_part(names[0], row)], {"mean": numbers.mean().item(), "variance": numbers.var(correction=0).item()}


def _rms_norm(values: list[Any], names: list[str], index: Index) -> Explanation:
    row = values[0][index[:-1]]
    return [_part(names[0], row)], {"mean of squares": row.double().square().mean().item()}


def _fused(values: list[Any], names: list[str], index: Index) -> Explanation:
    """One kernel, which never stores its intermediate results."""
    return [], {}


OPERATIONS: dict[str, tuple[str, Callable[[list[Any], list[str], Index], Explanation]]] = {
    "einsum": ("contraction", _einsum),
    "matmul": ("contraction", _matmul),
    "linear": ("contraction", _linear),
    "softmax": ("softmax", _softmax),
    "mean": ("mean", _mean),
    "sum": ("sum", _sum),
    "layer_norm": ("norm", _layer_norm),
    "rms_norm": ("norm", _rms_norm),
    "scaled_dot_product_attention": ("fused", _fused),
    "attend": ("fused", _fused),
}


def _dot_product(names: Sequence[str], left: Tensor, right: Tensor) -> Explanation:
    products = left.double() * right.double()
    parts = [_part(names[0], left), _part(names[1], right), _part("product", products)]
    return parts, {"sum of products": products.sum().item()}


def _einsum_vectors(left: Tensor, right: Tensor, pattern: str, index: Index) -> tuple[Tensor, Tensor]:
    """The two vectors whose dot product a contraction computes at this index, along the axes that it sums over."""
    inputs, output = pattern.split("->")
    axes_of_inputs = [re.split(r"\s+", operand.strip()) for operand in inputs.split(",")]
    fixed = dict(zip(output.split(), index, strict=True))
    summed = [axis for axis in dict.fromkeys(axes_of_inputs[0] + axes_of_inputs[1]) if axis not in fixed]
    pairs = list(zip((left, right), axes_of_inputs, strict=True))
    sizes = {axis: size for tensor, axes in pairs for axis, size in zip(axes, tensor.shape, strict=True)}
    vectors = []
    for tensor, axes in pairs:
        vector = tensor[tuple(fixed.get(axis, slice(None)) for axis in axes)]
        remaining = [axis for axis in axes if axis not in fixed]
        vector = vector.permute([remaining.index(axis) for axis in summed if axis in remaining])
        shape = [sizes[axis] if axis in remaining else 1 for axis in summed]
        vectors.append(vector.reshape(shape).expand([sizes[axis] for axis in summed]).flatten())
    return vectors[0], vectors[1]


def _divisor(node: ast.stmt, line: TracedLine) -> dict[str, float]:
    """The number by which a line divides its result, with the code that names it: √d_head, for attention scores."""
    result = getattr(node, "value", None)
    if not (isinstance(result, ast.BinOp) and isinstance(result.op, ast.Div)):
        return {}
    divisor = _evaluate(result.right, line)
    return {f"divided by {ast.unparse(result.right)}": float(divisor)} if isinstance(divisor, int | float) else {}


def _part(name: str, numbers: Tensor) -> Part:
    return Part(name, numbers.detach()[:MAX_NUMBERS].double().tolist())


def _statement(line: TracedLine) -> ast.stmt:
    """The statement of a traced line in its file, as it is now."""
    first, last = line.statement.first, line.statement.last
    for node in ast.walk(ast.parse(source_text(line.path))):
        if isinstance(node, ast.stmt) and (node.lineno, node.end_lineno) == (first, last):
            return node
    raise ValueError(f"{line.path.name} has changed since it was traced: line {first} is no longer there")


def _operands(node: ast.AST, line: TracedLine, arithmetic: bool = False) -> Iterator[tuple[ast.expr, Tensor]]:
    """The tensors that a statement works on: variables, attributes such as `self.w`, and the operands of + − · /."""
    if isinstance(node, ast.Name | ast.Attribute) or (arithmetic and not isinstance(node, ast.BinOp)):
        value = _evaluate(node, line)  # type: ignore[arg-type]
        if isinstance(value, Tensor):
            yield node, value  # type: ignore[misc]
            return
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Name | ast.Attribute) or isinstance(child.ctx, ast.Load):
            yield from _operands(child, line, isinstance(node, ast.BinOp))


def _evaluate(node: ast.expr, line: TracedLine) -> Any:
    """The value of an expression of the line, evaluated again from the variables before it; None where that fails.

    A call that changes a tensor in place is never repeated: it would change the tensors of the trace.
    """
    if any(map(is_in_place, ast.walk(node))):
        return None
    try:
        with torch.no_grad():
            value = eval(compile(ast.Expression(node), str(line.path), "eval"), line.file_globals, dict(line.before))
    except Exception:  # an expression that only makes sense in a part of the line that did not run
        return None
    return value.detach() if isinstance(value, Tensor) else value


def _broadcasts_to(value: Tensor, result: Tensor) -> bool:
    """Whether a tensor lines up with the result element by element."""
    if value.ndim > result.ndim:
        return False
    return all(size in (1, other) for size, other in zip(value.shape[::-1], result.shape[::-1], strict=False))


def _broadcast(index: Index, value: Tensor) -> Index:
    """The index into `value` that lines up with `index` into the result."""
    aligned = index[len(index) - value.ndim :]
    return tuple(0 if size == 1 else i for i, size in zip(aligned, value.shape, strict=True))
