"""A training that is killed at any of its file operations, again and again, ends as if nothing had happened."""

import dataclasses
import random
from functools import partial
from pathlib import Path

import pytest
from children import outcome
from counts import KILLS
from kills import kill_at
from small_trainings import CASES, TRAINING, newest_snapshot, result, train

from llm.config import TrainingConfig


def train_and_die(checkpoints: Path, training: TrainingConfig, operation: int | None) -> None:
    if operation is not None:
        kill_at(operation)
    train(checkpoints, training)


def train_through_kills(checkpoints: Path, training: TrainingConfig, most: int, chance: random.Random) -> int:
    """Train to the end through at most so many kills, each followed by a resume; returns how many there were."""
    kills, newest = 0, -1
    while True:
        operation = int(2 ** chance.uniform(0, 8)) if kills < most else None
        said = outcome(partial(train_and_die, checkpoints, training, operation))
        if said != "ended by SIGKILL":
            break
        kills += 1
        before, newest = newest, newest_snapshot(checkpoints)
        assert newest >= before
    assert said == "None", said
    return kills


@pytest.mark.parametrize("case", CASES)
@KILLS
def test_a_killed_training_ends_with_the_bytes_of_one_left_alone(tmp_path, case, count):
    training = dataclasses.replace(TRAINING, **CASES[case])
    train(tmp_path / "alone", training)
    expected = result(tmp_path / "alone")
    kills, trainings, chance = 0, 0, random.Random(case)
    while kills < count:
        checkpoints = tmp_path / str(trainings)
        kills += train_through_kills(checkpoints, training, count - kills, chance)
        assert result(checkpoints) == expected
        trainings += 1
    print(f"{case}: {kills} kills in {trainings} trainings")  # shown with -s
