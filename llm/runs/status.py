"""status.json of a run folder: whether the run is active, and how it ended."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path

from llm.config import INT_LIMIT
from llm.runs.errors import read_json_object
from llm.runtime.files import write_json
from llm.runtime.lock import is_held

ACTIVE = ("running", "paused")  # states in which a process holds the run's lock
ENDED = ("finished", "stopped", "failed")
LOCK = "training.lock"


@dataclass(frozen=True)
class RunStatus:
    """status.json. A run that was running or paused is read as "interrupted" once no process holds its lock."""

    state: str
    message: str
    step: int
    pid: int
    updated: float


def write_status(path: Path, state: str, message: str, step: int) -> None:
    """Replace a status.json, with this process and the current time."""
    write_json(path, dataclasses.asdict(RunStatus(state, message, step, os.getpid(), time.time())))


def read_status(path: Path) -> RunStatus:
    """The content of a status.json; "unknown" where it cannot be read."""
    try:
        raw = read_json_object(path)
        if raw["state"] not in (*ACTIVE, *ENDED) or not isinstance(raw["message"], str):
            raise TypeError("no such state, or its message is no text")
        if not 0 <= (step := int(raw["step"])) < INT_LIMIT:
            raise ValueError("no such step")
        status = RunStatus(raw["state"], raw["message"], step, int(raw["pid"]), float(raw["updated"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return RunStatus("unknown", "", 0, 0, 0.0)
    if status.state in ACTIVE and not is_held(path.with_name(LOCK)):
        message = "its process ended; it can be resumed from its newest snapshot"
        return dataclasses.replace(status, state="interrupted", message=message)
    return status
