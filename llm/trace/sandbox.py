"""Try an edited forward pass in a separate process: what breaks, and how the loss changes.

The edited code never runs in this process. It runs in a fresh interpreter (`llm.trace.sandbox_worker`) that limits
its own CPU time, memory and file size before it touches the code, and is killed after a time limit. That protects
against mistakes, endless loops and running out of memory. It does not protect against malicious code: only the owner
of the machine may edit code here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

from llm.trace.forward_pass import PACKAGE
from llm.trace.layer_trace import LayerTrace
from llm.trace.statements import source_text

SECONDS = 40  # wall time, including the start of the interpreter
MAX_CHARACTERS = 20_000


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
    run: Path | str, step: int | None, text: str, trace: LayerTrace, code: str, seconds: float = SECONDS
) -> Trial:
    """Run the checkpoint on the text with `code` as the `forward` of every layer of the traced layer's class.

    Raises:
        ValueError: the edited code is too long, or this system cannot limit what it does.
    """
    if importlib.util.find_spec("resource") is None:  # on Windows
        raise ValueError("Edited code can only be tried on a system that can limit a process, such as Linux or macOS")
    if len(code) > MAX_CHARACTERS:
        raise ValueError(f"The edited code must have at most {MAX_CHARACTERS:,} characters, got {len(code):,}")
    lines = source_text(trace.file).split("\n")
    indented = textwrap.indent(code.rstrip("\n"), "    ").split("\n")
    with tempfile.TemporaryDirectory(prefix="llm-sandbox-") as name:
        folder = Path(name)
        edited = [*lines[: trace.first - 1], *indented, *lines[trace.last :]]
        (folder / "edited.py").write_text("\n".join(edited), encoding="utf-8")
        request = {
            "run": str(Path(run).resolve()),
            "step": step,
            "text": text,
            "file": str(trace.file),
            "class": trace.class_name,
            "implementation": trace.implementation,
            "first": trace.first,
            "last": trace.first + len(indented) - 1,
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        exit_status = _run_worker(folder, seconds)
        return _read_trial(folder / "result.json", exit_status, seconds)


def _run_worker(folder: Path, seconds: float) -> int | None:
    """Start the worker and wait for it; returns its exit status, None if it had to be killed."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "llm.trace.sandbox_worker"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that processes it starts are killed with it
    )
    try:
        return worker.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def _read_trial(path: Path, exit_status: int | None, seconds: float) -> Trial:
    """The worker's result, or why there is none. Edited code may have written the file: it is only read as data."""
    try:
        raw = json.loads(path.read_bytes())
        trial = Trial(
            loss_before=None if raw["loss_before"] is None else float(raw["loss_before"]),
            loss_after=None if raw["loss_after"] is None else float(raw["loss_after"]),
            error=None if raw["error"] is None else str(raw["error"])[:500],
            error_line=None if raw["error_line"] is None else int(raw["error_line"]),
            wrong_shapes=tuple(map(_line_message, raw["wrong_shapes"][:20])),
            first_change=None if raw["first_change"] is None else _line_message(raw["first_change"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        trial = Trial(None, None, "The process ended without a result")
    if exit_status is None:
        return Trial(trial.loss_before, None, f"It did not finish within {seconds:g} seconds and was stopped")
    if exit_status in (-signal.SIGXCPU, -signal.SIGKILL):
        return Trial(trial.loss_before, None, "It exceeded its CPU time limit and was stopped")
    if exit_status != 0 and trial.error is None:
        return Trial(trial.loss_before, None, "The process ended without a result")
    return trial


def _line_message(raw: dict[str, object]) -> LineMessage:
    return LineMessage(int(str(raw["line"])), str(raw["text"])[:500])
