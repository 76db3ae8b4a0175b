"""Try an edited forward pass in a separate process: what breaks, and how the loss changes.

The edited code never runs in this process. It runs in a fresh interpreter (`llm.trace.sandbox_worker`), and is killed
after a time limit. A wall (`llm.trace.wall`) is around it; where none can be raised, only the ready-made edits of this
app run. What comes back is only read as data.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm.trace.forward_pass import PACKAGE
from llm.trace.layer_trace import LayerTrace
from llm.trace.statements import source_text

SECONDS = 40  # wall time, including the start of the interpreter
MAX_CHARACTERS = 20_000
MAX_LINES = 100_000  # more than any file of this package has
MAX_OUTPUT = 2**20  # bytes
MAX_TEXT, MAX_WRONG_SHAPES = 500, 20  # characters of a message; lines
WITHOUT_RESULT = "The process ended without a result"
CPU_TIME_EXCEEDED = getattr(signal, "SIGXCPU", None)  # Windows has no such signal
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # what an interpreter may need in order to start


@dataclass(frozen=True)
class LineMessage:
    """A message about a line of the edited code; lines count from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Trial:
    """The result of an edit. `error` is None if the model still ran; a loss is None for a text of one token."""

    loss_before: float | None
    loss_after: float | None
    error: str | None = None
    error_line: int | None = None
    wrong_shapes: tuple[LineMessage, ...] = ()  # tensors that no longer have the shape that their comment states
    first_change: LineMessage | None = None  # the first tensor that the edit changed


def forward_source(trace: LayerTrace) -> str:
    """The current source of the layer's `forward`, dedented."""
    lines = source_text(trace.file).split("\n")[trace.first - 1 : trace.last]
    return textwrap.dedent("\n".join(lines)) + "\n"


def try_edit(
    run: Path | str,
    step: int | None,
    text: str,
    trace: LayerTrace,
    code: str,
    seconds: float = SECONDS,
    walled: bool = True,
) -> Trial:
    """Run the checkpoint on the text with `code` as the `forward` of every layer of the traced layer's class.

    `walled=False` is for code of this application only, where no wall stands.

    Raises:
        ValueError: the edited code is too long.
    """
    return _run_worker(request_of(run, step, text, trace, code, walled), seconds)


def request_of(
    run: Path | str, step: int | None, text: str, trace: LayerTrace, code: str, walled: bool = True
) -> bytes:
    """What the worker is told: the checkpoint, the text, and the whole file with the edited code in it."""
    if len(code) > MAX_CHARACTERS:
        raise ValueError(f"The edited code must have at most {MAX_CHARACTERS:,} characters, got {len(code):,}")
    lines = source_text(trace.file).split("\n")
    indented = textwrap.indent(code.rstrip("\n"), "    ").split("\n")
    request = {
        "run": str(Path(run).resolve()),
        "step": step,
        "text": text,
        "file": str(trace.file),
        "class": trace.class_name,
        "implementation": trace.implementation,
        "code": "\n".join([*lines[: trace.first - 1], *indented, *lines[trace.last :]]),
        "first": trace.first,
        "last": trace.first + len(indented) - 1,
        "walled": walled,
    }
    return json.dumps(request).encode()


def _run_worker(request: bytes, seconds: float) -> Trial:
    """Start the worker, and return its result or why there is none."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "llm.trace.sandbox_worker"],
        cwd=PACKAGE.parent,
        env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    timer = threading.Timer(seconds, worker.kill)
    timer.daemon = True  # the server need not wait for it
    timer.start()
    with worker:
        assert worker.stdin is not None and worker.stdout is not None
        with contextlib.suppress(BrokenPipeError), worker.stdin:
            worker.stdin.write(request)
        output = worker.stdout.read(MAX_OUTPUT + 1)  # until it ends, has written too much, or the timer kills it
        if len(output) > MAX_OUTPUT:
            worker.kill()
    stopped = not timer.is_alive()
    timer.cancel()
    if stopped:
        problem = f"It did not finish within {seconds:g} seconds and was stopped"
    elif len(output) > MAX_OUTPUT:
        problem = "It wrote too much and was stopped"
    elif -worker.returncode == CPU_TIME_EXCEEDED:
        problem = "It exceeded its CPU time limit and was stopped"
    else:
        problem = WITHOUT_RESULT if worker.returncode != 0 else ""
    return read_trial(output, problem)


def read_trial(output: bytes, problem: str = "") -> Trial:
    """The trial that the worker's output describes; edited code may have written anything into it after line 1.

    With a problem, or if the rest describes no trial, that is the error.
    """
    try:
        first, _, rest = output.partition(b"\n")
        loss_before = _number(json.loads(first)["loss_before"])
    except (ValueError, KeyError, TypeError):
        return Trial(None, None, problem or WITHOUT_RESULT)
    try:
        return Trial(loss_before, None, problem) if problem else _trial(loss_before, json.loads(rest))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Trial(loss_before, None, WITHOUT_RESULT)


def _trial(loss_before: float | None, raw: Any) -> Trial:
    return Trial(
        loss_before=loss_before,
        loss_after=_number(raw["loss_after"]),
        error=None if raw["error"] is None else _text(raw["error"]),
        error_line=None if raw["error_line"] is None else _line(raw["error_line"]),
        wrong_shapes=tuple(map(_message, raw["wrong_shapes"][:MAX_WRONG_SHAPES])),
        first_change=None if raw["first_change"] is None else _message(raw["first_change"]),
    )


def _message(raw: Any) -> LineMessage:
    return LineMessage(_line(raw["line"]), _text(raw["text"]))


def _number(raw: Any) -> float | None:
    if raw is not None and type(raw) not in (int, float):
        raise TypeError("a number is expected")
    return None if raw is None else float(raw)


def _line(raw: Any) -> int:
    if type(raw) is not int or not 0 < raw <= MAX_LINES:
        raise ValueError("a line is expected")
    return raw


def _text(raw: Any) -> str:
    """The start of a text; half of a character, which no page can show, is shown as ?."""
    if type(raw) is not str:
        raise TypeError("a text is expected")
    return raw[:MAX_TEXT].encode("utf-8", "replace").decode()
