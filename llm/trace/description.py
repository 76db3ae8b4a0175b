"""Traced code as plain data for a page: the code and its steps, a window of a tensor, the origin of an element."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llm.runtime.stepwise import stepwise
from llm.trace.cell_origin import cell_origin
from llm.trace.code_session import CodeSession
from llm.trace.comparison import Comparison, compare_implementations, corresponding_steps
from llm.trace.forward_pass import PACKAGE
from llm.trace.layer_trace import LayerTrace, Step, Variable
from llm.trace.statements import source_text

WINDOW = 512  # maximum rows and columns of an array
MAX_VALUE_CHARACTERS = 80


@stepwise
def describe_code(session: CodeSession, path: str) -> Generator[Any, None, dict[str, Any]]:
    """What a page shows of one piece of code, except the tensors: tokens, code, steps, variables and statistics.

    Yields during and after each implementation's trace, then after each description. Raises ValueError for an unknown
    path.
    """
    traces = {}
    for name in session.code.implementations:
        traces[name] = yield from session.trace_steps(path, name)
        yield
    descriptions = {}
    for name in traces:
        descriptions[name] = _describe_trace(traces, name)
        yield
    return {"path": path, "tokens": session.text.tokens, "implementations": descriptions}


@stepwise
def compare_code(session: CodeSession, path: str) -> Generator[Any, None, list[Comparison]]:
    """How the implementations of a layer compare on the session's text; empty for code that has only one."""
    if len(session.code.implementations) == 1:
        return []
    forward_pass = yield from session.text.record()
    return (yield from compare_implementations.steps(forward_pass, path, session.text.models))


@stepwise
def find_variable(
    session: CodeSession, path: str, implementation: str, step: int, name: str
) -> Generator[Any, None, Variable]:
    """The variable of this name that a step made. Raises ValueError where there is none."""
    return _variable((yield from _traced_step(session, path, implementation, step)), name)


def array_window(variable: Variable, gradient: bool, rows: int, columns: int, index: Sequence[int]) -> np.ndarray:
    """Two axes of a tensor or its gradient, as float32 [≤ WINDOW, ≤ WINDOW].

    `index` has one number for each axis: on `rows` and `columns` the start of the window, on the others the element.

    Raises:
        ValueError: there is no gradient, or there are no such axes or elements.
    """
    tensor = variable.gradient if gradient else variable.tensor
    if tensor is None:
        raise ValueError(f"{variable.name} has no gradient: the loss does not depend on it, or there is no next token")
    if len(index) != tensor.ndim or not all(0 <= i < size for i, size in zip(index, tensor.shape, strict=True)):
        raise ValueError(f"index must be within the tensor's shape {list(tensor.shape)}, got {list(index)}")
    axes = (rows, columns)
    if not all(0 <= axis < tensor.ndim for axis in axes) or (rows == columns and tensor.ndim > 1):
        raise ValueError(
            f"rows and columns must be two different axes from 0 to {tensor.ndim - 1}, got {rows} and {columns}"
        )
    window = tensor[tuple(slice(i, i + WINDOW) if axis in axes else i for axis, i in enumerate(index))].float().cpu()
    window = window[None] if window.ndim == 1 else window
    return (window.T if rows > columns else window).contiguous().numpy()


@stepwise
def describe_cell(
    session: CodeSession, path: str, implementation: str, step: int, name: str, index: Sequence[int]
) -> Generator[Any, None, dict[str, Any]]:
    """One element of a variable: value, gradient, tokens on its axes, and how it was computed.

    Where a fused kernel hides the computation, the einops line that makes the same variable is described instead.

    Raises:
        ValueError: there is no such step, variable or element.
    """
    traced = yield from _traced_step(session, path, implementation, step)
    variable = _variable(traced, name)
    origin = cell_origin(traced.line, name, index)
    from_einops = False
    reference = session.code.implementations[0]
    if not origin.parts and implementation != reference:
        trace = yield from session.trace_steps(path, implementation)
        other = yield from session.trace_steps(path, reference)
        pairs = corresponding_steps(trace, other)
        if step in pairs:
            origin = cell_origin(other.steps[pairs[step]].line, name, index)
            from_einops = True
    return _json_safe(
        {
            **dataclasses.asdict(origin),
            "gradient": None if variable.gradient is None else variable.gradient[tuple(index)].item(),
            "from_einops": from_einops,
            "labels": [session.text.token_at(axis, i) for axis, i in zip(variable.axes, index, strict=True)],
        }
    )


def _traced_step(session: CodeSession, path: str, implementation: str, step: int) -> Generator[Any, None, Step]:
    trace = yield from session.trace_steps(path, implementation)
    if not 0 <= step < len(trace.steps):
        raise ValueError(f"step must be from 0 to {len(trace.steps) - 1}, got {step}")
    return trace.steps[step]


def _variable(step: Step, name: str) -> Variable:
    for variable in step.variables:
        if variable.name == name:
            return variable
    made = ", ".join(variable.name for variable in step.variables) or "no tensor"
    raise ValueError(f"This step made no {name!r:.40}: it made {made}")


def _describe_trace(traces: dict[str, LayerTrace], name: str) -> dict[str, Any]:
    """The code and the steps of one implementation, each step with the corresponding step in every other."""
    trace = traces[name]
    lines = source_text(trace.file).split("\n")
    pairs = {other: corresponding_steps(trace, traces[other]) for other in traces if other != name}
    return {
        "file": _shown_path(trace.file),
        "class": trace.class_name,
        "first": trace.first,
        "code": lines[trace.first - 1 : trace.last],
        "steps": [
            {
                "first": step.statement.first,
                "last": step.statement.last,
                "call": step.call,
                "variables": [_describe_variable(variable) for variable in step.variables],
                "values": [
                    [target, repr(value)[:MAX_VALUE_CHARACTERS]]
                    for target, value in step.line.values.items()
                    if _is_immutable(value)
                ],
                "pairs": {other: steps[index] for other, steps in pairs.items() if index in steps},
            }
            for index, step in enumerate(trace.steps)
        ],
    }


def _shown_path(file: Path) -> str:
    """A file's path relative to the project's folder; only its name for a layer defined outside the library."""
    return file.relative_to(PACKAGE.parent).as_posix() if file.is_relative_to(PACKAGE) else file.name


def _is_immutable(value: Any) -> bool:
    """Whether a value cannot have changed since the line made it, so that it can be shown next to the tensors."""
    if isinstance(value, tuple):
        return all(_is_immutable(part) for part in value)
    return isinstance(value, int | float | str | bytes)


def _describe_variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "axes": list(variable.axes),
        "shape": list(variable.tensor.shape),
        "dtype": str(variable.tensor.dtype).removeprefix("torch."),
        "values": _statistics(variable.tensor),
        "gradient": None if variable.gradient is None else _statistics(variable.gradient),
    }


def _statistics(tensor: Tensor) -> dict[str, Any]:
    """Minimum, mean and maximum of the finite elements, and how many elements are not finite."""
    numbers, infinite = tensor.float(), 0
    low, high = numbers.aminmax() if numbers.numel() else (torch.tensor(torch.inf), torch.tensor(torch.inf))
    if not (low.isfinite() and high.isfinite()):  # aminmax returns NaN where an element is NaN
        numbers = numbers[numbers.isfinite()]
        infinite = tensor.numel() - numbers.numel()
        if not numbers.numel():
            return {"min": None, "mean": None, "max": None, "infinite": infinite}
        low, high = numbers.aminmax()
    mean = numbers.mean(dim=-1).mean(dtype=torch.float64)  # rows have equal length, short enough for float32
    return {"min": low.item(), "mean": mean.item(), "max": high.item(), "infinite": infinite}


def _json_safe(content: Any) -> Any:
    """`content` with infinities and NaN as strings, since JSON has no such numbers."""
    if isinstance(content, dict):
        return {name: _json_safe(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_json_safe(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return "−∞" if content < 0 else "∞" if content > 0 else "NaN"
    return content
