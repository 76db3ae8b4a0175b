"""New runs, and branches of runs, that wait until the one that trains has ended.

They start in the order of their arrival, unless one is moved to the front. The queue is the process's: it survives page
switches, closed tabs and edited source files, not the end of the server. `llm.background.trainings` starts what waits.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Protocol

from llm.runtime.process import process_wide
from llm.training.trainer import Trainer


class Startable(Protocol):
    """What can wait: a new run, a branch of one, or one that goes on."""

    @property
    def title(self) -> str:
        """The run in one line."""

    def start(self) -> Trainer:
        """Its trainer."""


def add(new: Startable) -> None:
    """Let a run wait at the end of the queue."""
    with _lock():
        _runs()[next(_numbers())] = new


def waiting() -> dict[int, Startable]:
    """The runs that wait, the next one first, by a number that stays theirs."""
    with _lock():
        return dict(_runs())


def remove(number: int) -> None:
    """Take a run out of the queue, if it still waits."""
    with _lock():
        _runs().pop(number, None)


def to_front(number: int) -> None:
    """Let a run that waits start before the others."""
    with _lock():
        runs = _runs()
        if number in runs:
            ordered = {number: runs[number]} | runs
            runs.clear()
            runs.update(ordered)


def report(problem: str) -> None:
    """Keep why a run could not be started, until `forget_problems`."""
    problems().append(problem)


def problems() -> list[str]:
    """Why runs of the queue could not be started."""
    return process_wide("queue problems", list)


def forget_problems() -> None:
    """They have been read."""
    problems().clear()


def _runs() -> dict[int, Startable]:
    return process_wide("queue", dict)


def _numbers() -> Iterator[int]:
    return process_wide("queue numbers", itertools.count)


def _lock() -> threading.Lock:
    return process_wide("queue lock", threading.Lock)
