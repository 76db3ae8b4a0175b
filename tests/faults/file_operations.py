"""Watch the operations by which this process changes files, and let one of them not happen."""

import builtins
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHANGES = ("mkdir", "rename", "replace", "unlink", "rmdir", "fsync", "ftruncate", "write")
Watcher = Callable[[str], object]


def watch_changes(patch: pytest.MonkeyPatch, watcher: Watcher) -> None:
    """Call the watcher before each operation that changes files, and once more in the middle of a write.

    It gets a name, such as "unlink trainer.pt". If it raises, the operation does not happen.
    """
    for name in CHANGES:
        patch.setattr(os, name, _watched(name, getattr(os, name), watcher))
    patch.setattr(os, "open", _watched_os_open(os.open, watcher))
    opened = _watched_open(io.open, watcher)
    for module in (io, builtins):
        patch.setattr(module, "open", opened)


def _watched(name: str, function: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    def called(target: Any, *args: Any, **kwargs: Any) -> Any:
        watcher(_described(name, target))
        return function(target, *args, **kwargs)

    return called


def _watched_os_open(function: Callable[..., int], watcher: Watcher) -> Callable[..., int]:
    def called(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            watcher(_described("open", path))
        return function(path, flags, *args, **kwargs)

    return called


def _watched_open(function: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    def called(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if mode in ("r", "rb"):
            return function(path, mode, *args, **kwargs)
        watcher(_described("open", path))
        return _File(function(path, mode, *args, **kwargs), watcher)

    return called


def _described(name: str, target: Any) -> str:
    return name if isinstance(target, int) else f"{name} {Path(os.fsdecode(target)).name}"


class _File:
    """A file that is open for writing; a write reaches the disk in two halves."""

    def __init__(self, file: Any, watcher: Watcher) -> None:
        self._file = file
        self._watcher = watcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, content: Any) -> int:
        written = 0
        for half in (content[: len(content) // 2], content[len(content) // 2 :]):
            self._watcher(_described("write", self._file.name))
            written += self._file.write(half)
            self._file.flush()
        return written
