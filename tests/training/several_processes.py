"""Processes that train together, as torchrun would start them: forked once for a file of tests, joined for each job.

And the runs that they train, and how two of these compare.
"""

import dataclasses
import os
import socket
import sys
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import pytest
import torch._dynamo  # noqa: F401  # DistributedDataParallel imports it: once here, and not in each process
from tiny_training import TEXT, TRAINING

from llm.data.split import SplitText
from llm.presets import preset
from llm.runtime.processes import joined_processes, lost_process
from llm.training.new_run import NewRun, prepare_run
from llm.training.setup import resume_run, start_together

FLOAT32 = dataclasses.replace(TRAINING, precision="float32")
TEXT = TEXT * 4  # so that there are more windows to measure on than processes
DOCUMENTS = dataclasses.replace(SplitText.by_characters(TEXT), documents=tuple(range(0, len(TEXT), 37)))


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


def start(processes, folder, training=FLOAT32, architecture="llama", **overrides):
    sizes = {"d_model": 16, "n_layers": 2, "n_heads": 2, "n_ctx": 16}
    model = preset(architecture, d_vocab=1, **(sizes | overrides))
    return start_together(
        lambda: prepare_run(NewRun(model, training, "char", DOCUMENTS, "foxes.txt", folder), processes), processes
    )


def lose_a_process(processes, folder, training=FLOAT32):
    """Process 1 dies in step 6. Of the others: whether they noticed, the run folder, and its snapshots."""
    trainer = start(processes, folder, training)
    try:
        for metrics in trainer:
            if metrics.step == 5 and processes.rank == 1:
                os._exit(9)
    except RuntimeError as error:
        return lost_process(error), trainer.folder.path, trainer.folder.snapshots()


def weights(trainer):
    return {name: parameter.detach().numpy() for name, parameter in trainer.model.named_parameters()}


def train(processes, folder, *args, steps=100, **kwargs):
    """Train a new run, or resume it if `folder` is a run; its path and weights."""
    resumed = (folder / "config.json").exists()
    trainer = resume_run(folder, processes) if resumed else start(processes, folder, *args, **kwargs)
    while not trainer.finished and trainer.step < steps:
        next(trainer)
    trainer.snapshot()
    return trainer.folder.path, weights(trainer)


def assert_close(rows, expected, rel=1e-4):
    """The same rows but for rounding, which is about 1e-7 in a step and grows over a dozen of them."""
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row["loss"] == (other["loss"] and pytest.approx(other["loss"], rel=rel))  # None at step 0
        assert row["grad_norms"] == pytest.approx(other["grad_norms"], rel=10 * rel)
        for name in ("evaluation", "final_evaluation"):
            assert numbers(row[name]) == pytest.approx(numbers(other[name]), rel=10 * rel)


def numbers(evaluation):
    """Without the standard errors that a single passage does not have; empty where nothing was measured."""
    return {name: value for name, value in (evaluation or {}).items() if value is not None}
