"""Atomic writing: a reader sees the old content or the new, never a part, even if the power fails."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from llm.runtime.regular_files import remove

TEMPORARY = ".writing-"  # prefix of temporary names; a file left with it belongs to a process that died


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content atomically."""
    write_file(path, lambda file: file.write(content))


def write_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace a file atomically with what `write` puts into an empty one; a failure changes nothing.

    A temporary file beside it, fsync, rename.
    """
    temporary = _temporary(path)
    remove(temporary)
    try:
        with temporary.open("xb") as file:  # x: a new file, never one that a link leads to
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file atomically."""
    write_bytes(path, json.dumps(content, ensure_ascii=False, indent=1).encode())


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder that appears complete: `fill` writes its files under a temporary name, then it is renamed.

    An existing folder is replaced. A failure changes nothing.
    """
    temporary = _temporary(path)
    replaced = temporary.with_name(f"{temporary.name}-replaced")
    for stale in (temporary, replaced):
        remove(stale)
    temporary.mkdir()
    try:
        fill(temporary)
        for written in temporary.rglob("*"):
            _sync(written)
        _sync_folder(temporary)
        if os.path.lexists(path):
            path.rename(replaced)  # moved aside, not removed: there is hardly a moment with neither of the two
        temporary.rename(path)
    except BaseException:
        if os.path.lexists(replaced) and not os.path.lexists(path):
            replaced.rename(path)
        remove_if_possible(temporary)
        raise
    _sync_folder(path.parent)
    remove_if_possible(replaced)


def remove_folder(path: Path) -> None:
    """Remove a folder that readers see complete or not at all: it loses its name first, then its files."""
    nameless = _temporary(path)
    remove(nameless)
    path.rename(nameless)
    remove_if_possible(nameless)


def remove_unfinished(folder: Path) -> None:
    """Remove what processes left in this folder that ended while they wrote. Nobody else may be writing there."""
    for unfinished in folder.glob(f"{TEMPORARY}*"):
        remove_if_possible(unfinished)


def error_text(error: Exception | str) -> str:
    """The message of an error; of one of the file system: the file, where it is known, and the reason."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else error.strerror


def remove_if_possible(path: Path) -> None:
    """Remove what is left over; where that fails, it stays."""
    with suppress(OSError):
        remove(path)


def _temporary(path: Path) -> Path:
    """A name beside `path` that no other process or thread uses, since two may write the same file at once."""
    # the first characters only: the whole name may be as long as a file system allows
    return path.with_name(f"{TEMPORARY}{path.name[:50]}-{os.getpid()}-{threading.get_ident()}")


def _sync(path: Path) -> None:
    if path.is_dir():
        _sync_folder(path)
        return
    with path.open("rb+") as file:  # Windows syncs no file that is open for reading only
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: sync the folder's entries too, where the system opens folders (Windows does not)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
