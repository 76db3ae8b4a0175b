"""Open regular files only, in folders that are not trusted.

Instead of a file, a folder can contain a link that leads out of it, a named pipe that blocks whoever opens it, or a
device. These functions never follow a link and open nothing but regular files.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO, Literal, cast

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# where the system has them: they also protect against a link or pipe put there after the check
SAFE_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class IrregularFileError(ValueError):
    """A path is not a regular file."""


def open_regular(path: Path, mode: Literal["rb", "a+b"] = "rb") -> BinaryIO:
    """Open a regular file to read it, or to append to it, which creates it if there is none.

    Raises:
        IrregularFileError: it is a link, a folder, a named pipe or a device.
        OSError: as `open`.
    """
    return cast(BinaryIO, open(path, mode, opener=_open))


def read_regular(path: Path, max_bytes: int | None = None) -> bytes:
    """The content of a regular file. Raises as `open_regular`, and IrregularFileError beyond `max_bytes`."""
    with open_regular(path) as file:
        if max_bytes is not None and (size := os.fstat(file.fileno()).st_size) > max_bytes:
            raise IrregularFileError(f"{path} has {size:,} bytes: at most {max_bytes:,} are read")
        return file.read()


def require_regular(path: Path) -> None:
    """Raise IrregularFileError unless this is a regular file, and FileNotFoundError if there is nothing."""
    _check(path, path.lstat())


def is_regular(path: Path) -> bool:
    """Whether this is a regular file, not a link to one."""
    return stat.S_ISREG(_mode(path))


def require_replaceable(path: Path, name: str) -> None:
    """Raise ValueError, naming the option `name`, if a file is to be written where a link, device or folder is."""
    if os.path.lexists(path) and not is_regular(path):
        raise ValueError(f"{name} must be a new file or a regular one, got {str(path)!r}: a link or device is kept")


def is_folder(path: Path) -> bool:
    """Whether this is a folder, not a link to one."""
    return stat.S_ISDIR(_mode(path))


def remove(path: Path) -> None:
    """Remove a file, a folder with its contents, or a link itself; does nothing if the path does not exist."""
    if is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _open(path: str, flags: int) -> int:
    if os.path.lexists(path):  # opening a device can already have an effect
        require_regular(Path(path))
    descriptor = os.open(path, flags | SAFE_FLAGS, 0o666)
    try:
        _check(Path(path), os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise IrregularFileError(f"{path} is {kind}: only a regular file is opened there")


def _mode(path: Path) -> int:
    """The mode of the path itself, not of a link's target; 0 if it cannot be read."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0
