"""A lock with one holder at a time, among all processes and within one. It ends with its process, however that ends.

The operating system ties it to an open file: by flock, or on Windows by locking one byte of the file. A process id
would not do, because the system gives it to another program later.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from llm.runtime.regular_files import SAFE_FLAGS

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:  # everywhere else
    msvcrt = None  # type: ignore[assignment]

LOCKED_BYTE = 2**30  # on Windows nobody else can read a locked byte, so it is far beyond the content
WAIT_SECONDS = 0.5  # until a reader in `is_held`, which takes the lock for an instant, has released it


class LockHeldError(Exception):
    """Another holder has the lock; `pid` is its process, or None if it left no readable id."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


class ProcessLock:
    """The lock of a lock file, which is created if it does not exist. It is held until `release`."""

    _descriptor: int | None = None

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            LockHeldError: another process, or another holder in this one, has it.
            OSError: the file cannot be opened for writing.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | SAFE_FLAGS, 0o666)
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
        """Release the lock; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # the file stays: somebody may have locked it meanwhile
            self._descriptor = None

    def __del__(self) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether the lock of this lock file is held; False if the file does not exist."""
    try:
        descriptor = os.open(path, (os.O_RDWR if fcntl is None else os.O_RDONLY) | SAFE_FLAGS)
    except OSError:
        return False
    try:
        return not _lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, shared: bool) -> bool:
    """Try to take the lock, until the descriptor is closed; returns whether it was free."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        elif msvcrt is not None:
            os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks must not prevent training
        return True
    return True


def _read_pid(descriptor: int) -> int | None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        return int(os.read(descriptor, 20))
    except (OSError, ValueError):
        return None
