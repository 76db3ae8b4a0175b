"""End this process, as SIGKILL does, at one of its file operations."""

import builtins
import io
import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

OPERATIONS = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync", "ftruncate", "write")


def kill_at(operation: int) -> None:
    """From now on, count file operations, and kill this process at this one.

    An even number means after the operation, an odd one before it; a write is cut in half.
    """
    left = operation // 2

    def last() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    for name in OPERATIONS:
        setattr(os, name, _deadly(getattr(os, name), last, after=operation % 2 == 0))
    opened = _deadly(builtins.open, last, after=operation % 2 == 0)
    io.open = builtins.open = lambda *args, **kwargs: _File(opened(*args, **kwargs), last)


def _deadly(function: Callable[..., Any], last: Callable[[], bool], after: bool) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        dying = last()
        if dying and not after:
            _die()
        result = function(*args, **kwargs)
        if dying:
            _die()
        return result

    return called


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)


class _File:
    """An open file, of which one write may be cut in half."""

    def __init__(self, file: Any, last: Callable[[], bool]) -> None:
        self._file = file
        self._last = last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Any:
        return iter(self._file)

    def write(self, content: Any) -> Any:
        if self._last():
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            _die()
        return self._file.write(content)
