"""Try an edited forward pass in a process of its own: what breaks, and what becomes of the loss.

The edited code never runs in this process. It runs in a fresh interpreter (`llm.trace.sandbox_worker`) that limits
its own processor time and memory before it touches the code, may write one small file, and is killed when its time is
over. That protects from mistakes, endless loops and memory that runs out. It is no wall against malice: whoever may
edit code here must be the person whose machine it is.
"""

from __future__ import annotations

import contextlib
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
from llm.trace.layers import LayerTrace
from llm.trace.lines import source

SECONDS = 40  # of the clock, start of the interpreter included
MOST_CHARACTERS = 20_000


@dataclass(frozen=True)
class Remark:
    """Something about a line of the edited text, counted from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Trial:
    """What an edit did. `error` is None where the model still ran; a loss is None where there is none."""

    loss_before: float | None
    loss_after: float | None
    error: str | None = None
    error_line: int | None = None
    shapes: tuple[Remark, ...] = ()  # tensors that no longer have the shape that their comment states
    first_change: Remark | None = None  # the first tensor that is no longer what it was


def forward_source(trace: LayerTrace) -> str:
    """The layer's `forward` as it stands in its file now, without the indentation."""
    lines = source(trace.file).split("\n")[trace.first - 1 : trace.last]
    return textwrap.dedent("\n".join(lines)) + "\n"


def try_edit(
    run: Path | str, step: int | None, text: str, trace: LayerTrace, code: str, seconds: float = SECONDS
) -> Trial:
    """Run the checkpoint on the text with every layer of this class computing by `code` in place of its `forward`.

    Raises:
        ValueError: the edited text is too long.
    """
    if len(code) > MOST_CHARACTERS:
        raise ValueError(f"The edited code is too long: {len(code):,} characters, and {MOST_CHARACTERS:,} are allowed")
    lines = source(trace.file).split("\n")
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
        outcome = _run_worker(folder, seconds)
        return _trial(folder / "result.json", outcome, seconds)


def _run_worker(folder: Path, seconds: float) -> int | None:
    """Start the worker and wait; its exit status, None if it had to be killed."""
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
        start_new_session=True,  # so that whatever it starts is ended with it
    )
    try:
        return worker.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def _trial(path: Path, outcome: int | None, seconds: float) -> Trial:
    """What the worker wrote; where it could not, why. Its file comes from edited code, so it is only read as data."""
    try:
        raw = json.loads(path.read_bytes())
        remarks = [Remark(int(one["line"]), str(one["text"])[:500]) for one in raw["shapes"][:20]]
        change = raw["first_change"]
        trial = Trial(
            loss_before=None if raw["loss_before"] is None else float(raw["loss_before"]),
            loss_after=None if raw["loss_after"] is None else float(raw["loss_after"]),
            error=None if raw["error"] is None else str(raw["error"])[:500],
            error_line=None if raw["error_line"] is None else int(raw["error_line"]),
            shapes=tuple(remarks),
            first_change=None if change is None else Remark(int(change["line"]), str(change["text"])[:500]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        trial = Trial(None, None, "The process ended without an answer")
    if outcome is None:
        return Trial(trial.loss_before, None, f"It did not end within {seconds:g} seconds and was stopped")
    if outcome == -signal.SIGXCPU or outcome == -signal.SIGKILL:
        return Trial(trial.loss_before, None, "It used up the processor time that it may have, and was stopped")
    if outcome != 0 and trial.error is None:
        return Trial(trial.loss_before, None, "The process ended without an answer")
    return trial
