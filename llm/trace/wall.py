"""A wall around this process: from here on it can compute, and ask the operating system for almost nothing.

A program opens files, connects, or starts other programs by system calls. Linux lets a process install a filter on its
own system calls (seccomp) that it can never remove, without any privileges. This one allows the few calls that
computing takes: memory, locks, time, random numbers, and writing to what is already open. Everything else fails with
"Operation not permitted", also what later kernels add, and also for code that calls the C library or the kernel
directly. CPU time and memory are limited, and `end_with_parent` makes the process end with the thread that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CPU_SECONDS = 20
EXTRA_MEMORY = 3 * 2**30  # bytes beyond what the process already uses

# by machine: the kernel's number for its kind of system calls, and for the call that installs a filter
MACHINES = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}
# the allowed system calls: their numbers on these two machines. The files that a process may write to are those that it
# holds open: `enclose` leaves it the null device and one pipe.
ALLOWED = {
    "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226),
    "brk": (12, 214), "futex": (202, 98), "sched_yield": (24, 124), "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115), "gettimeofday": (96, 169), "getrandom": (318, 278), "getpid": (39, 172),
    "gettid": (186, 178), "write": (1, 64), "writev": (20, 66), "close": (3, 57), "rt_sigreturn": (15, 139),
    "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
# and advice about memory, which allocators give, but none from this number on: that takes memory from the whole machine
# or from other processes, if root asks for it
MADVISE, PRIVILEGED_ADVICE = (28, 233), 100

# the instructions of a filter, and its answers (linux/bpf_common.h, linux/seccomp.h)
LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000
# where the filter finds the number of a call, the kind of machine that it is for, and its third argument
NUMBER, MACHINE, THIRD = 0, 4, 32
INSTALL, ON_ALL_THREADS = 1, 1
# the names of process settings (linux/prctl.h)
END_WITH_PARENT, DUMPABLE, NO_NEW_PRIVILEGES = 1, 4, 38


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16), ("if_true", ctypes.c_uint8), ("if_false", ctypes.c_uint8), ("k", ctypes.c_uint32),
    )  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends, however that happens."""
    _set(END_WITH_PARENT, signal.SIGKILL)


def enclose(pipe: int) -> None:
    """Raise the wall, for good. Of the open files, only the pipe and standard input and output stay open.

    Raises:
        OSError: this system cannot raise it.
    """
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        raise OSError(errno.ENOSYS, f"There is no wall for {sys.platform} on {platform.machine()}")
    for descriptor in {int(path.name) for path in Path("/proc/self/fd").iterdir()} - {0, 1, 2, pipe}:
        with contextlib.suppress(OSError):  # the listing's own is closed by now
            os.close(descriptor)
    _limit_time_and_memory()
    _set(DUMPABLE, 0)  # no core file, and nobody's debugger
    _set(NO_NEW_PRIVILEGES, 1)
    _install_filter(platform.machine())


def _limit_time_and_memory() -> None:
    import resource  # on Linux; not on Windows, where this module is imported, too

    cpu_seconds = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2])) + CPU_SECONDS
    memory = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + EXTRA_MEMORY
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _install_filter(machine: str) -> None:
    """Install the filter on all threads of this process."""
    kind, install = MACHINES[machine]
    column = list(MACHINES).index(machine)
    numbers = [call[column] for call in ALLOWED.values()]
    instructions = [
        (LOAD, 0, 0, MACHINE),
        (JUMP_IF_EQUAL, 1, 0, kind),  # if equal, jump over one instruction
        (RETURN, 0, 0, KILL),  # a call for another kind of machine, such as those of 32 bits: its numbers are others
        (LOAD, 0, 0, NUMBER),
        *((JUMP_IF_EQUAL, 3 + len(numbers) - index, 0, number) for index, number in enumerate(numbers)),
        (JUMP_IF_EQUAL, 0, 2, MADVISE[column]),
        (LOAD, 0, 0, THIRD),
        (JUMP_IF_AT_LEAST, 0, 1, PRIVILEGED_ADVICE),
        (RETURN, 0, 0, FAIL | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    program = _Program(
        len(instructions), (_Instruction * len(instructions))(*(_Instruction(*each) for each in instructions))
    )
    _check(_libc().syscall(install, INSTALL, ON_ALL_THREADS, ctypes.byref(program)))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _set(name: int, value: int) -> None:
    _check(_libc().prctl(*map(ctypes.c_ulong, (name, value, 0, 0, 0))))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"The wall cannot be raised: {os.strerror(ctypes.get_errno())}")


@functools.cache
def wall_stands() -> bool:
    """Whether this system can raise the wall. A child process raises it and attacks it; asked once per process."""
    try:
        test = subprocess.run([sys.executable, "-I", __file__], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=20)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return test.returncode == 0


def _is_denied(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except PermissionError as error:
        return error.errno == errno.EPERM
    return False


def main() -> None:
    """The self-test: exits with 0 if the wall stands, and with 1 if anything passes it."""
    end_with_parent()
    enclose(pipe=1)
    attempts: list[Callable[[], object]] = [
        lambda: os.open("/etc/passwd", os.O_RDONLY),
        lambda: os.open(os.devnull, os.O_WRONLY),
        Path("no such file").unlink,
        lambda: socket.socket(socket.AF_INET),
        os.fork,
        lambda: os.kill(os.getpid(), 0),
    ]
    os._exit(0 if all(map(_is_denied, attempts)) else 1)


if __name__ == "__main__":
    main()
