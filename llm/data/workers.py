"""Several workers (`llm.data.worker`) that share tasks, one process for each core.

Task k is for worker k modulo their number, so that the answers come in the order of the tasks, without threads: while
one answer is read, the other workers compute theirs. A worker holds one piece at a time.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from llm.runtime.child import module_command, module_environment
from llm.runtime.compute import allowed_cores


class Answer(NamedTuple):
    """What a worker says of a task, and the bytes of its tokens."""

    about: dict[str, Any]
    tokens: bytes


def answers(tasks: Sequence[dict[str, Any]]) -> Iterator[Answer]:
    """The answers to the tasks, in their order.

    Raises ValueError for what a worker could not do, and RuntimeError if a worker ended.
    """
    workers = [_start() for _ in range(min(allowed_cores(), len(tasks)))]
    try:
        for number, task in enumerate(tasks[: len(workers)]):
            _send(workers[number], task)
        for number in range(len(tasks)):
            worker = workers[number % len(workers)]
            answer = _receive(worker)
            if number + len(workers) < len(tasks):
                _send(worker, tasks[number + len(workers)])
            yield answer
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            with suppress(OSError):  # a pipe whose reader is gone
                worker.communicate()


def _start() -> subprocess.Popen[bytes]:
    command, environment = module_command("llm.data.worker"), module_environment()
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _send(worker: subprocess.Popen[bytes], task: dict[str, Any]) -> None:
    assert worker.stdin is not None
    with suppress(BrokenPipeError):  # it ended: `_receive` says so
        worker.stdin.write(json.dumps(task).encode() + b"\n")
        worker.stdin.flush()


def _receive(worker: subprocess.Popen[bytes]) -> Answer:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    about = json.loads(line) if line.endswith(b"\n") else {}
    tokens = worker.stdout.read(about.get("bytes", 0))
    if len(tokens) != about.get("bytes"):
        raise RuntimeError("A process that tokenises was ended, perhaps for lack of memory: start again to continue")
    if "error" in about:
        raise ValueError(about["error"])
    return Answer(about, tokens)
