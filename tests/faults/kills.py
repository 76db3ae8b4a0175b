"""End this process, as SIGKILL does, at one of the operations by which it changes files."""

import os
import signal

import pytest
from file_operations import watch_changes


def kill_at(operation: int) -> None:
    """From now on, count these operations, and kill this process before this one, or in the middle of a write."""
    left = operation

    def watcher(_: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    watch_changes(pytest.MonkeyPatch(), watcher)
