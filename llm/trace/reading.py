"""A text, a checkpoint and the code: what the page that reads the running code asks for.

A `Reading` is one forward pass of one checkpoint on one text, with the traces of the layers that were looked at. The
last few stay in a registry of the process. Whatever is returned is plain data: numbers, texts, and float32 arrays.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from llm.checkpoints import load_run
from llm.config import Implementation
from llm.model import Transformer
from llm.runtime.process import process_wide
from llm.tokenizers import Tokenizer
from llm.trace.forward_pass import (
    IMPLEMENTATIONS,
    PACKAGE,
    ForwardPass,
    complete,
    implementations,
    layer_paths,
    recording,
    source_files,
)
from llm.trace.freshness import forget_modules, stale_files
from llm.trace.layers import (
    Comparison,
    LayerTrace,
    Step,
    Variable,
    comparing,
    counterparts,
    layer_code,
    tracing,
)
from llm.trace.lines import source
from llm.trace.origin import Origin, origin

KEPT = 3  # readings that the registry remembers
LAYERS_KEPT = 2  # whose tensors a reading keeps
MOST_TOKENS = 512
WIDEST = 512  # rows or columns of an array that is handed out

LONGEST_VALUE = 80

LayerTraces = dict[Implementation, LayerTrace]


class Reading:
    """One forward pass, layer by layer, line by line.

    Its methods run torch: call them in the compute thread, and the generators among them through `compute.iterate`, so
    that each of their parts is a task and a training goes on between them.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer, text: str) -> None:
        """Raises ValueError for a text that has no tokens or that the tokenizer cannot express."""
        ids = tokenizer.encode(text)
        if not ids:
            raise ValueError("The text is empty: a forward pass needs at least one token")
        self.tokenizer = tokenizer
        self.left_out = max(0, len(ids) - min(model.config.n_ctx, MOST_TOKENS))
        self.ids = ids[: len(ids) - self.left_out]
        self.config = model.config
        self.models = implementations(model)
        self.names: tuple[Implementation, ...] = IMPLEMENTATIONS
        self._recorded: ForwardPass | None = None
        self._traces: dict[str, LayerTraces] = {}

    def record(self) -> Generator[float, None, None]:
        """Run the model on the text, forward and back, unless that is done; yields the share that is done."""
        if self._recorded is None:
            tokens = torch.tensor([self.ids], device=self.models["fused"].embed.W_E.device)
            self._recorded = yield from recording(self.models["fused"], tokens)

    @property
    def recorded(self) -> ForwardPass:
        """The forward pass that every trace is of."""
        if self._recorded is None:
            complete(self.record())
        assert self._recorded is not None
        return self._recorded

    @property
    def tokens(self) -> list[str]:
        """The text's tokens, for display."""
        return [self.tokenizer.token_text(token) for token in self.ids]

    @property
    def layers(self) -> dict[str, str]:
        """Path and kind ("Attention", "LayerNorm", …) of all layers, in the order of the data."""
        model = self.models["einops"]
        return {path: _kind(type(model.get_submodule(path))) for path in layer_paths(model)}

    def code(self, path: str, implementation: Implementation) -> LayerTrace:
        """Where a layer's code stands, with no step traced. The path is one of `layers`."""
        return layer_code(self.models[implementation], path)

    def trace(self, path: str, implementation: Implementation) -> LayerTrace:
        """One layer's trace in one implementation. Raises ValueError for a path that is no layer."""
        return complete(self._traced(path, implementation))

    def traces(self, path: str) -> LayerTraces:
        """One layer's trace in every implementation. Raises ValueError for a path that is no layer."""
        return {name: self.trace(path, name) for name in self.names}

    def forget(self) -> None:
        """Let go of the layers' tensors; whoever asks for them has them traced again."""
        self._traces.clear()

    def comparing(self, path: str) -> Iterator[list[Comparison] | None]:
        """Every implementation of a layer against the einops one on this text, in parts: the last one is the answer."""
        yield (yield from comparing(self.recorded, path, self.models))

    def describe(self, path: str) -> dict[str, Any]:
        """All that a page shows of a layer beside the numbers themselves."""
        *_, described = self.describing(path)
        return described or {}

    def describing(self, path: str) -> Iterator[dict[str, Any] | None]:
        """`describe` in parts: the last item is the answer, those before it are None."""
        traces = {}
        for name in self.names:
            traces[name] = yield from self._traced(path, name)
            yield None
        described = {}
        for name in self.names:
            described[name] = _describe(traces, name)
            yield None
        yield {"path": path, "tokens": self.tokens, "implementations": described}

    def _traced(self, path: str, implementation: Implementation) -> Generator[None, None, LayerTrace]:
        found = self._traces.get(path, {})
        if implementation not in found:
            made = yield from self._tracing(path, implementation)
            found = self._traces.setdefault(path, {})
            found[implementation] = made
            for old in list(self._traces)[:-LAYERS_KEPT]:
                del self._traces[old]
        return found[implementation]

    def _tracing(self, path: str, implementation: Implementation) -> Generator[None, None, LayerTrace]:
        return tracing(self.recorded, path, self.models[implementation])

    def variable(self, path: str, implementation: str, step: int, name: str) -> tuple[Step, Variable]:
        """A variable that a step made. Raises ValueError where there is none."""
        traces = self.traces(path)
        if implementation not in traces:
            raise ValueError(f"implementation={implementation!r:.40} is unknown: choose one of {', '.join(traces)}")
        steps = traces[implementation].steps
        if not 0 <= step < len(steps):
            raise ValueError(f"step {step} does not exist: this layer's steps are 0 to {len(steps) - 1}")
        for variable in steps[step].variables:
            if variable.name == name:
                return steps[step], variable
        made = ", ".join(variable.name for variable in steps[step].variables) or "no tensor"
        raise ValueError(f"step {step} made no {name!r:.40}: it made {made}")

    def array(self, variable: Variable, gradient: bool, rows: int, columns: int, at: Sequence[int]) -> np.ndarray:
        """Two axes of a tensor, or of its gradient, as float32 [≤ WIDEST, ≤ WIDEST]; `at` is the place on all others.

        On the two axes themselves `at` is where the window begins. Raises ValueError for axes or places that are not.
        """
        tensor = variable.gradient if gradient else variable.tensor
        if tensor is None:
            raise ValueError(
                f"{variable.name} has no gradient: the loss does not depend on it, or the text has no next"
            )
        axes = (rows, columns)
        if len(at) != tensor.ndim or not all(0 <= one < size for one, size in zip(at, tensor.shape, strict=True)):
            raise ValueError(f"{list(at)} is no place in a tensor of shape {list(tensor.shape)}")
        if not all(0 <= axis < tensor.ndim for axis in axes) or (rows == columns and tensor.ndim > 1):
            raise ValueError(f"axes {rows} and {columns} cannot be drawn: the tensor has axes 0 to {tensor.ndim - 1}")
        index = tuple(slice(one, one + WIDEST) if i in axes else one for i, one in enumerate(at))
        picked = tensor[index].float().cpu()
        picked = picked[None] if picked.ndim == 1 else picked
        return (picked.T if rows > columns else picked).contiguous().numpy()

    def origin(self, path: str, implementation: str, step: int, name: str, cell: Sequence[int]) -> dict[str, Any]:
        """Value, gradient and making of one cell. Where the fused kernel hides it, the einops line that equals it."""
        traced, variable = self.variable(path, implementation, step, name)
        found: Origin = origin(traced.line, name, variable.axes, cell)
        borrowed = False
        if not found.parts and implementation != "einops" and "einops" in self.names:
            traces = self.traces(path)
            pairs = counterparts(traces[implementation], traces["einops"])  # type: ignore[index]
            if step in pairs:
                other = traces["einops"].steps[pairs[step]]
                borrowed = True
                found = origin(other.line, name, variable.axes, cell)
        gradient = variable.gradient[tuple(cell)].item() if variable.gradient is not None else None
        labels = [self._label(axis, at) for axis, at in zip(variable.axes, cell, strict=True)]
        return _finite(dataclasses.asdict(found) | {"gradient": gradient, "borrowed": borrowed, "labels": labels})

    def _label(self, axis: str, at: int) -> str | None:
        """The token that a place on an axis stands for."""
        if axis == "d_vocab":
            return self.tokenizer.token_text(at)
        return self.tokens[at] if axis in ("pos", "query_pos", "key_pos") else None


def open_reading(path: Path | str, step: int | None, text: str) -> tuple[str, Reading]:
    """The reading of a run's checkpoint on a text, and the key under which `get` finds it again.

    A source file that is edited makes another reading: its code and its trace always belong together.

    Raises:
        ValueError, FileNotFoundError: as `llm.checkpoints.load_run`, or a text that cannot be read.
    """
    if stale_files(source_files()):
        forget_modules()
        return importlib.import_module(__name__).open_fresh(path, step, text)
    return open_fresh(path, step, text)


def open_fresh(path: Path | str, step: int | None, text: str) -> tuple[str, Reading]:
    """`open_reading` of the code as it was imported."""
    stamp = [(str(file), file.stat().st_mtime_ns) for file in source_files()]
    key = hashlib.sha256(repr((str(path), step, text, stamp)).encode()).hexdigest()[:24]

    def make() -> Reading:
        run = load_run(path, step)
        return Reading(run.model, run.tokenizer, text)

    return key, keep(key, make)


def keep(key: str, make: Callable[[], Reading]) -> Reading:
    """The reading with this key; made, and kept among the last few, if there is none."""
    registry = _registry()
    if key not in registry:
        for earlier in registry.values():
            earlier.forget()
        registry[key] = make()
        for old in list(registry)[:-KEPT]:
            registry.pop(old, None)
    return registry[key]


def get(key: str) -> Reading | None:
    """The reading with this key, if it is among the last few of this process."""
    return _registry().get(key)


def _registry() -> dict[str, Reading]:
    return process_wide("readings", dict)


def _describe(traces: LayerTraces, name: Implementation) -> dict[str, Any]:
    """The code of one implementation and its steps."""
    trace = traces[name]
    lines = source(trace.file).split("\n")
    pairs = {other: counterparts(trace, traces[other]) for other in traces if other != name}
    return {
        "file": f"llm/{trace.file.relative_to(PACKAGE).as_posix()}",
        "class": trace.class_name,
        "first": trace.first,
        "code": lines[trace.first - 1 : trace.last],
        "steps": [
            {
                "first": step.statement.first,
                "last": step.statement.last,
                "call": step.call,
                "variables": [_summary(variable) for variable in step.variables],
                "values": [
                    [name, repr(value)[:LONGEST_VALUE]] for name, value in step.line.values.items() if _is_plain(value)
                ],
                "pairs": {other: found[index] for other, found in pairs.items() if index in found},
            }
            for index, step in enumerate(trace.steps)
        ],
    }


def _is_plain(value: Any) -> bool:
    """Whether a value can be shown beside the tensors: one that nothing can have changed since it was made."""
    if isinstance(value, tuple):
        return all(_is_plain(part) for part in value)
    return isinstance(value, int | float | str | bytes)


def _kind(layer: type) -> str:
    """The class that owns a layer's parameters: the parent of its three implementations, or the class itself."""
    parent = layer.__mro__[1]
    return layer.__name__ if parent is nn.Module else parent.__name__


def _summary(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "axes": list(variable.axes),
        "shape": list(variable.tensor.shape),
        "dtype": str(variable.tensor.dtype).removeprefix("torch."),
        "values": _statistics(variable.tensor),
        "gradient": None if variable.gradient is None else _statistics(variable.gradient),
    }


def _statistics(tensor: Tensor) -> dict[str, Any]:
    """Least, mean and greatest of the finite numbers, and how many are not finite."""
    numbers, infinite = tensor.float(), 0
    low, high = numbers.aminmax() if numbers.numel() else (torch.tensor(torch.inf), torch.tensor(torch.inf))
    if not (low.isfinite() and high.isfinite()):  # also where one number is none: it then is the least and the greatest
        numbers = numbers[numbers.isfinite()]
        infinite = tensor.numel() - numbers.numel()
        if not numbers.numel():
            return {"min": None, "mean": None, "max": None, "infinite": infinite}
        low, high = numbers.aminmax()
    mean = numbers.mean(dim=-1).mean(dtype=torch.float64)  # rows are of one length, and short enough for float32
    return {"min": low.item(), "mean": mean.item(), "max": high.item(), "infinite": infinite}


def _finite(content: Any) -> Any:
    """JSON has no infinity: such numbers become texts."""
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return "−∞" if content < 0 else "∞" if content > 0 else "not a number"
    return content
