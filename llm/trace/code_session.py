"""The state of the code reader: a text, the code that can be traced on it, and the traces made so far."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from llm.layers import kind_of
from llm.runtime.stepwise import finish
from llm.trace.code_example import CodeExample, trace_example
from llm.trace.forward_pass import IMPLEMENTATIONS, layer_paths
from llm.trace.layer_trace import LayerTrace, trace_layer
from llm.trace.traced_text import TracedText

KEPT_LAYERS = 2  # how many layers' tensors a session keeps


class Code(Protocol):
    """Pieces of code by path, each in one or more implementations."""

    @property
    def implementations(self) -> tuple[str, ...]:
        """The names of the implementations, the reference first."""

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each piece by its path, in display order."""

    def trace(self, path: str, implementation: str) -> Generator[Any, None, LayerTrace]:
        """Trace one piece in one implementation, in parts. Raises ValueError for an unknown path."""


class LayerCode:
    """The forward passes of a model's layers, in every implementation."""

    implementations: tuple[str, ...] = IMPLEMENTATIONS

    def __init__(self, text: TracedText) -> None:
        self._text = text

    @property
    def kinds(self) -> dict[str, str]:
        """The kind ("Attention", "LayerNorm", …) of each layer by its path, in data-flow order; "" is the model."""
        model = self._text.models["einops"]
        return {path: kind_of(type(model.get_submodule(path))) for path in layer_paths(model)}

    def trace(self, path: str, implementation: str) -> Generator[Any, None, LayerTrace]:
        """Trace one layer. Raises ValueError for a path that is not a layer's."""
        forward_pass = yield from self._text.record()
        return (yield from trace_layer.steps(forward_pass, path, self._text.models[implementation]))


class ExampleCode:
    """Code examples, each with a single implementation."""

    implementations: tuple[str, ...] = ("code",)

    def __init__(self, text: TracedText, examples: Mapping[str, CodeExample]) -> None:
        self._text = text
        self._examples = examples

    @property
    def kinds(self) -> dict[str, str]:
        """Name and title of each example."""
        return {name: example.title for name, example in self._examples.items()}

    def trace(self, path: str, implementation: str) -> Generator[Any, None, LayerTrace]:
        """Trace one example, as a single part. Raises ValueError for an unknown name."""
        if path not in self._examples:
            raise ValueError(f"There is no code example {path!r:.80}: choose one of {', '.join(self._examples)}")
        forward_pass = yield from self._text.record()
        return trace_example(self._examples[path], path, implementation, forward_pass)


class CodeSession:
    """Code and a text that it runs on. Each piece is traced on first request; the traces of the last few are kept.

    `sources` are the files that the code was imported from. Once one of them is edited, its text no longer is that of
    the code that runs, and the session is out of date.
    """

    def __init__(self, text: TracedText, code: Code, key: str = "", sources: Sequence[Path] = ()) -> None:
        self.key = key
        self.text = text
        self.code = code
        self._sources = modification_times(sources)
        self._traces: dict[str, dict[str, LayerTrace]] = {}

    def trace_steps(self, path: str, implementation: str) -> Generator[Any, None, LayerTrace]:
        """`trace` in parts."""
        if implementation not in self.code.implementations:
            allowed = ", ".join(self.code.implementations)
            raise ValueError(f"implementation must be one of {allowed}, got {implementation!r:.40}")
        if implementation not in self._traces.get(path, {}):
            trace = yield from self.code.trace(path, implementation)
            self._traces.setdefault(path, {})[implementation] = trace
            for oldest in list(self._traces)[:-KEPT_LAYERS]:
                del self._traces[oldest]
        return self._traces[path][implementation]

    def trace(self, path: str, implementation: str) -> LayerTrace:
        """One piece of code in one implementation. Raises ValueError for an unknown path or implementation."""
        return finish(self.trace_steps(path, implementation))

    def edited_source(self) -> Path | None:
        """A source file that was edited after the session was opened; None if all are as they were."""
        now = modification_times(list(self._sources))
        return next((file for file, time in self._sources.items() if now[file] != time), None)

    def clear_traces(self) -> None:
        """Free the tensors of all traces; a trace that is requested again is made again."""
        self._traces.clear()


def modification_times(files: Sequence[Path]) -> dict[Path, int | None]:
    """When each file was last written, in nanoseconds; None for a file that does not exist (any more)."""
    return {file: file.stat().st_mtime_ns if file.exists() else None for file in files}
