"""Run work in forked children with limits, and learn how each piece of it ended."""

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

SECONDS = 100  # for each piece of work: a thousand times what any of them needs
MEMORY = 1_500_000_000  # bytes beyond what the process has mapped already


def outcome(work: Callable[[], object]) -> str:
    """What `work` returns, as text; or the exception or the signal that ended it."""
    [said] = outcomes(lambda _: work(), 1)
    return said


def outcomes(work: Callable[[int], object], count: int) -> Iterator[str]:
    """The outcomes of work(0) to work(count − 1). After one that ends its child, another child goes on."""
    done = 0
    while done < count:
        for said in _in_a_child(work, range(done, count)):
            done += 1
            yield said


def _in_a_child(work: Callable[[int], object], numbers: range) -> Iterator[str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work_and_exit(work, numbers, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        for line in pipe:
            yield json.loads(line)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        yield f"ended by {signal.Signals(os.WTERMSIG(status)).name}"


def _work_and_exit(work: Callable[[int], object], numbers: range, writer: int) -> None:
    try:
        sys.modules.pop("_llm_process", None)  # a child has none of its parent's threads: no compute thread either
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what an abort prints
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
        for number in numbers:
            signal.alarm(SECONDS)
            os.write(writer, json.dumps(_said(work, number)).encode() + b"\n")
    finally:
        os._exit(0)


def _said(work: Callable[[int], object], number: int) -> str:
    try:
        return str(work(number))
    except BaseException as error:
        lines = [f"{type(error).__name__}: {error}", *traceback.format_tb(error.__traceback__)]
        return "\n".join(lines)[-3000:]
