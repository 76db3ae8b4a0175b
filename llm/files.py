"""Writing files so that whoever reads sees the old content or the new, never a part, whenever the power goes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEMPORARY = ".writing-"  # a name that begins so is unfinished work of a process that may have died


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content atomically: temporary file beside it, fsync, rename."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file atomically."""
    write_bytes(path, json.dumps(content, ensure_ascii=False, indent=1).encode())


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder that appears whole: `fill` writes its files under a temporary name, then it is renamed.

    A folder that is there already is replaced.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    fill(temporary)
    for file in temporary.iterdir():
        with file.open("rb") as written:
            os.fsync(written.fileno())
    if path.exists():
        shutil.rmtree(path)
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename last: a folder's entries are data too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
