"""A lock that one holder at a time has, across processes and within one. It ends with its process, however that ends.

The operating system keeps it for an open file: by flock, or on Windows by a lock of one of the file's bytes. So nothing
has to be guessed from a process id, which the system gives to another program later.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:  # everywhere else
    msvcrt = None  # type: ignore[assignment]

FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # follow no link, wait for no named pipe
LOCKED_BYTE = 2**30  # on Windows nobody else can read a locked byte, so it lies far behind the content
WAIT_SECONDS = 0.5  # for a reader, which holds the lock for an instant to see whether it is free


class LockHeldError(Exception):
    """Another holder has the lock; `pid` is its process, or None if it left no readable id."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


class ProcessLock:
    """The lock of a lock file, which is created if there is none. It is held until `release`."""

    _descriptor: int | None = None

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            LockHeldError: another process, or another holder in this one, has it.
            OSError: the file cannot be opened for writing.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | FLAGS, 0o666)
        deadline = time.monotonic() + WAIT_SECONDS
        while not _lock(self._descriptor, shared=False):
            if time.monotonic() > deadline:
                pid = _read_pid(self._descriptor)
                self.release()
                raise LockHeldError(pid)
            time.sleep(0.02)
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the lock up; a second time this does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # the file stays: removing it could remove a lock taken meanwhile
            self._descriptor = None

    def __del__(self) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock of this lock file. Without such a file nobody does."""
    try:
        descriptor = os.open(path, os.O_RDWR if fcntl is None else os.O_RDONLY | FLAGS)
    except OSError:
        return False
    try:
        return not _lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, shared: bool) -> bool:
    """Whether the lock was free and is now held, until the descriptor is closed."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        elif msvcrt is not None:
            os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks: then training there is not refused
        return True
    return True


def _read_pid(descriptor: int) -> int | None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        return int(os.read(descriptor, 20))
    except (OSError, ValueError):
        return None
