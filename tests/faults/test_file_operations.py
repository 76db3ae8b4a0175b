"""A training that ends at any one of its file operations, by a kill or a failing disk, goes on bit for bit."""

import contextlib
import dataclasses
import errno
import os
import random
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from counts import EVERY_NTH_OPERATION, RANDOM_FAULTS
from file_operations import watch_changes
from small_trainings import CASES, MODEL, TRAINING, newest_snapshot, result, train

from llm.config import TrainingConfig
from llm.runs.errors import RunNotSavedError
from llm.runs.listing import list_runs
from llm.runtime.files import TEMPORARY

LARGE = dataclasses.replace(MODEL, d_mlp=4000)  # three snapshots take more than a megabyte, so the second is removed


class Killed(BaseException):
    """As SIGKILL, it lets no code of the training change a file any more."""


FAULTS = {  # what is raised, and whether by every later operation too
    "killed": (Killed, True),
    "disk broken": (lambda: OSError(errno.EIO, os.strerror(errno.EIO)), True),
    "one failure": (lambda: OSError(errno.EIO, os.strerror(errno.EIO)), False),
}


def train_with_fault(checkpoints: Path, training: TrainingConfig, fault: str, at: int) -> None:
    """Train until the fault at this file operation, or to the end if there are not so many."""
    error, lasting = FAULTS[fault]
    count = 0

    def watcher(_: str) -> None:
        nonlocal count
        count += 1
        if count > at if lasting else count == at + 1:
            raise error()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 10**8 + at)  # the next one to train is another process
        watch_changes(patch, watcher)
        with contextlib.suppress(Killed, OSError, RunNotSavedError):
            train(checkpoints, training, LARGE)


def train_through_faults(checkpoints: Path, training: TrainingConfig, fault: str, places: Iterable[int]) -> None:
    """A training with a fault at each of these operations, each followed by a resume, and then to its end."""
    newest = -1
    for at in places:
        train_with_fault(checkpoints, training, fault, at)
        before, newest = newest, newest_snapshot(checkpoints)
        assert newest >= before
    train(checkpoints, training, LARGE)
    [run] = list_runs(checkpoints)
    assert not list(run.path.rglob(f"{TEMPORARY}*"))


def left_alone(training: TrainingConfig, checkpoints: Path) -> tuple[dict[str, object], int]:
    """All that a training leaves if nothing happens, and its number of file operations."""
    operations: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        watch_changes(patch, operations.append)
        train(checkpoints, training, LARGE)
    [run] = list_runs(checkpoints)
    assert {"rename step_000001", "unlink trainer.pt"} <= set(operations)  # snapshots are thinned
    for file in (path.name for path in run.path.rglob("*") if path.is_file()):  # no other way to write goes unnoticed
        assert any(name.startswith((f"open {file}", f"open {TEMPORARY}{file}")) for name in operations)
    return result(checkpoints), len(operations)


def small(case: str) -> TrainingConfig:
    return dataclasses.replace(TRAINING, steps=5, max_disk_mb=1, **CASES[case])


@EVERY_NTH_OPERATION
def test_a_training_goes_on_after_a_fault_at_every_operation(tmp_path, count):
    expected, operations = left_alone(small("AdamW"), tmp_path / "alone")
    tried = 0
    for number, fault in enumerate(FAULTS):
        for at in range(number * count // len(FAULTS), operations, count):
            checkpoints = tmp_path / f"{fault} {at}"
            train_through_faults(checkpoints, small("AdamW"), fault, [at])
            assert result(checkpoints) == expected, f"{fault} at operation {at}"
            shutil.rmtree(checkpoints)
            tried += 1
    print(f"{tried} faults, each at another of {operations} operations or of another kind")  # shown with -s


@pytest.mark.parametrize("case", CASES)
@RANDOM_FAULTS
def test_a_training_goes_on_after_fault_upon_fault(tmp_path, case, count):
    expected, operations = left_alone(small(case), tmp_path / "alone")
    faults, trainings, chance = 0, 0, random.Random(case)
    while faults < count:
        checkpoints = tmp_path / str(trainings)
        places = [chance.randrange(operations) for _ in range(min(3, count))]
        train_through_faults(checkpoints, small(case), chance.choice(list(FAULTS)), places)
        assert result(checkpoints) == expected, places
        faults, trainings = faults + len(places), trainings + 1
    print(f"{case}: {faults} faults in {trainings} trainings")
