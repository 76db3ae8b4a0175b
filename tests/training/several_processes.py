"""Processes that train together, as torchrun would start them: forked once for a file of tests, joined for each job."""

import os
import socket
import sys
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch._dynamo  # noqa: F401  # DistributedDataParallel imports it: once here, and not in each process

from llm.runtime.processes import joined_processes


class ForkedProcesses:
    """Processes that wait for jobs."""

    def __init__(self, count: int) -> None:
        context = get_context("fork")  # they need not import torch again
        self._pipes = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            self._pipes.append(ours)
            self._processes.append(context.Process(target=_work, args=(theirs,), daemon=True))
            self._processes[-1].start()
            theirs.close()

    def run(self, count: int, job: Callable[..., Any], *args: Any, answering: int | None = None) -> list[Any]:
        """What `job(processes, *args)` returns in each of so many processes, by rank, or in the first that answer."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for rank, pipe in enumerate(self._pipes[:count]):
            pipe.send((job, args, rank, count, port))
        answers = [
            pipe.recv() if pipe.poll(60) else ("no answer within a minute", None)
            for pipe in self._pipes[: answering or count]
        ]
        problems = [problem for problem, _ in answers if problem]
        assert not problems, "\n".join(problems)
        return [result for _, result in answers]

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()


def _work(pipe: Connection) -> None:
    sys.modules.pop("_llm_process", None)  # a fork has no copy of the compute thread
    while True:
        job, args, rank, count, port = pipe.recv()
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in names.items()}, MASTER_ADDR="127.0.0.1")
        try:
            with joined_processes() as processes:
                answer = None, job(processes, *args)
        except BaseException:
            answer = traceback.format_exc(), None
        pipe.send(answer)
