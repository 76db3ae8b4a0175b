"""A training that is killed at any of its file operations, again and again, ends as if nothing had happened."""

import dataclasses
import random
from functools import partial
from pathlib import Path

import pytest
from children import outcome
from counts import KILLS
from kills import kill_at
from run_folders import rows_without_times

from llm.config import TrainingConfig
from llm.presets import preset
from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs
from llm.training.setup import resume_run, start_run

TEXT = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
TRAINING = TrainingConfig(steps=12, batch_size=2, eval_every=3, eval_windows=2, sample_tokens=2, device="cpu")
CASES = {
    "AdamW": {},
    "Muon": {"optimizer": "muon"},
    "accumulation": {"accumulation": 2},
    "early stopping": {"eval_every": 1, "patience": 4, "learning_rate": 10.0},
}


def train(checkpoints: Path, training: TrainingConfig) -> None:
    """Train the run in this folder to its end; begin it if there is none."""
    runs = list_runs(checkpoints)
    if runs:
        trainer = resume_run(runs[0].path)
    else:
        model = preset("llama", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=8)
        trainer = start_run(model, training, "char", TEXT, "foxes.txt", checkpoints)
    for _ in trainer:
        pass


def result(checkpoints: Path) -> dict[str, object]:
    """All that a finished run holds, without its times."""
    [run] = list_runs(checkpoints)
    assert (run.state, run.problem) == ("finished", None)
    weights = {str(file.relative_to(run.path)): file.read_bytes() for file in run.path.rglob("*.safetensors")}
    return weights | {"rows": rows_without_times(RunFolder(run.path))}


def newest_snapshot(checkpoints: Path) -> int:
    """The step of the newest snapshot of the run in this folder, -1 without one. All that it has is checked."""
    runs = list_runs(checkpoints)
    if not runs:
        return -1
    [run] = runs
    assert run.problem is None and run.state in ("interrupted", "finished", "unknown")
    folder = RunFolder(run.path)
    steps = [row["step"] for row in folder.read_metrics().rows]
    assert steps == list(range(len(steps)))
    if not folder.snapshots():
        return -1
    newest = folder.snapshots()[-1]
    assert folder.trainer_state(newest)["step"] == newest
    assert newest <= steps[-1]
    return newest


def train_and_die(checkpoints: Path, training: TrainingConfig, operation: int | None) -> None:
    if operation is not None:
        kill_at(operation)
    train(checkpoints, training)


def train_through_kills(checkpoints: Path, training: TrainingConfig, most: int, chance: random.Random) -> int:
    """Train to the end through at most so many kills, each followed by a resume; returns how many there were."""
    kills, newest = 0, -1
    while True:
        operation = int(2 ** chance.uniform(0, 9)) if kills < most else None
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
