import fcntl
import os
import subprocess
import sys
import threading
import types

import pytest

from llm.runtime import lock
from llm.runtime.lock import LockHeldError, ProcessLock, is_held

HOLD = "import sys; from llm.runtime.lock import *; held = ProcessLock(Path(sys.argv[1])); print('held', flush=True); "


class Msvcrt(types.ModuleType):
    """Windows's locks of bytes, made with Linux's: of each open file, and refused by PermissionError."""

    LK_NBLCK = 2

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert (os.lseek(descriptor, 0, os.SEEK_CUR), mode, count) == (lock.LOCKED_BYTE, self.LK_NBLCK, 1)
        assert lock.LOCKED_BYTE > 1000  # nobody can read a locked byte, and the first ones are the holder's id
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(13, "Permission denied") from None


@pytest.fixture(params=["fcntl", "msvcrt"], autouse=True)
def system(request, monkeypatch):
    """The locks of Linux and macOS, and those of Windows, which has no fcntl."""
    if request.param == "msvcrt":
        monkeypatch.setattr(lock, "fcntl", None)
        monkeypatch.setattr(lock, "msvcrt", Msvcrt("msvcrt"))


def test_one_holder_at_a_time(tmp_path):
    file = tmp_path / "lock"
    assert not is_held(file)
    file.write_bytes(b"1234567890123\n")  # an earlier holder's id, longer than any
    assert not is_held(file)
    held = ProcessLock(file)
    assert is_held(file)
    with pytest.raises(LockHeldError) as refused:
        ProcessLock(file)
    assert refused.value.pid == os.getpid()
    held.release()
    held.release()
    assert not is_held(file)
    ProcessLock(file).release()


def test_a_lock_ends_with_its_process_however_it_ends(tmp_path):
    file = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD + "sys.stdin.read()", file], stdin=-1, stdout=-1)
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeldError) as refused:
            ProcessLock(file)
        assert refused.value.pid == holder.pid
        holder.kill()
    assert not is_held(file)
    ProcessLock(file)


def test_a_lock_ends_with_the_object_that_held_it(tmp_path):
    held = ProcessLock(tmp_path / "lock")
    del held
    assert not is_held(tmp_path / "lock")


def test_a_reader_that_has_the_lock_for_an_instant_keeps_nobody_from_it(tmp_path):
    file = tmp_path / "lock"
    ProcessLock(file).release()
    reader = os.open(file, os.O_RDWR)  # as in `is_held`
    assert lock._lock(reader, shared=True)
    end = threading.Timer(0.1, os.close, [reader])
    end.start()
    ProcessLock(file).release()
    end.join()


def test_a_link_or_a_named_pipe_in_its_place_is_neither_followed_nor_waited_for(tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="symbolic links"):
        ProcessLock(tmp_path / "link")
    assert (tmp_path / "target").read_text() == "mine"
    assert not is_held(tmp_path / "pipe")


@pytest.mark.parametrize("content", [b"", b"a fox", b"9" * 30])
def test_a_lock_without_a_readable_process_id(tmp_path, content):
    held = ProcessLock(tmp_path / "lock")
    (tmp_path / "lock").write_bytes(content)
    with pytest.raises(LockHeldError):
        ProcessLock(tmp_path / "lock")
    held.release()


def test_a_file_system_without_locks_refuses_no_training(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl or lock.msvcrt, "flock" if lock.fcntl else "locking", unsupported)
    ProcessLock(tmp_path / "lock")
    assert not is_held(tmp_path / "lock")
