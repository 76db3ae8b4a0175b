"""A branch goes on from a run's snapshot: unchanged, it is the run's own continuation bit for bit."""

import dataclasses
import json

import pytest
from run_folders import rows_without_times
from tiny_training import TEXT, TRAINING, same, start, weights

from llm.config import TrainingConfig
from llm.runs.folder import RunFolder
from llm.runs.loading import load_run
from llm.runs.origin import branched
from llm.training.branching import start_branch
from llm.training.changes import schedule_in_words
from llm.training.reproduction import reproduce
from llm.training.setup import resume_run

CASES = {
    "adamw, dropout": {"optimizer": "adamw", "dropout": 0.3},
    "muon, accumulation, bfloat16": {"accumulation": 2, "precision": "bfloat16"},
}


def contents(folder: RunFolder) -> dict:
    return {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file() and path.suffix != ".lock"}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def parent(request, tmp_path_factory):
    training = {name: value for name, value in request.param.items() if name != "dropout"}
    model = {name: value for name, value in request.param.items() if name == "dropout"}
    trainer = start(tmp_path_factory.mktemp("parent"), dataclasses.replace(TRAINING, **training), **model)
    list(trainer)
    return trainer


@pytest.mark.parametrize("step", [0, 4, 10])
def test_an_unchanged_branch_is_the_parents_own_continuation_bit_for_bit(parent, step):
    before = contents(parent.folder)
    branch = start_branch(parent.folder.path, step)
    assert branch.step == step and branch.folder.path.parent == parent.folder.path.parent
    list(branch)
    assert same(weights(parent), weights(branch))
    assert rows_without_times(branch.folder) == rows_without_times(parent.folder)
    files = ("final_model.safetensors", "best_model.safetensors", "text.txt", "tokenizer.json")
    for name in files:
        assert (branch.folder.path / name).read_bytes() == (parent.folder.path / name).read_bytes()
    assert contents(parent.folder) == before
    assert branched(branch.folder.config()).in_words() == (
        f"Continued from run {parent.folder.id} at step {step}, with nothing changed."
    )


def test_one_changed_setting_leaves_weights_and_next_batch_the_same(finished):
    parent, _ = finished
    branch = start_branch(parent.folder.path, 4, {"learning_rate": 0.05})
    rows = rows_without_times(parent.folder)
    metrics = next(branch)
    assert (metrics.loss, metrics.grad_norm) == (rows[5]["loss"], rows[5]["grad_norm"])  # same weights, same batch
    assert metrics.learning_rate == pytest.approx(0.05 / parent.config.learning_rate * rows[5]["learning_rate"])
    assert next(branch).loss != rows[6]["loss"]
    branch.snapshot()
    origin = branched(branch.folder.config())
    assert (origin.run, origin.step) == (parent.folder.id, 4)
    assert origin.changed == [("learning_rate", parent.config.learning_rate, 0.05)]
    # it is a run like any other: stopped, it goes on; and another can branch off it
    resumed = resume_run(branch.folder.path)
    list(resumed)
    second = start_branch(resumed.folder.path, changes={"steps": 13, "dropout": 0.5, "weight_decay": 0.0})
    list(second)
    assert second.step == 13 and second.model.config.dropout == 0.5
    assert [name for name, _, _ in branched(second.folder.config()).changed] == ["dropout", "steps", "weight_decay"]


def test_a_finished_run_goes_on_in_a_new_folder(finished):
    parent, _ = finished
    before = contents(parent.folder)
    branch = start_branch(parent.folder.path, changes={"steps": 20})
    assert branch.step == 12
    list(branch)
    assert contents(parent.folder) == before
    rows = branch.folder.read_metrics().rows
    assert [row["step"] for row in rows] == list(range(21))
    assert [row["step"] for row in rows if row["final_evaluation"]] == [20]
    assert load_run(branch.folder.path).step == 20


def test_what_a_branch_recorded_is_reproduced(finished):
    parent, _ = finished
    branch = start_branch(parent.folder.path, 4, {"learning_rate": 0.05})
    list(branch)
    comparisons = list(reproduce(branch.folder.path))
    assert [(found.step, found.difference) for found in comparisons] == [(step, None) for step in range(4, 13)]
    rows = [json.loads(line) for line in (branch.folder.path / "metrics.jsonl").read_text().splitlines()]
    rows[7]["loss"] += 1
    (branch.folder.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert list(reproduce(branch.folder.path))[-1].difference.step == 7


REFUSED = [
    (None, {}, "steps must be above 12, the step from which the branch goes on, got 12"),
    (4, {"steps": 4}, "steps must be above 4"),
    (3, {}, "cannot be continued from step 3: it has an optimizer state of these steps: 0, 1, 2, 4, 8, 10, 12"),
    (
        4,
        {"d_model": 32},
        "d_model cannot be changed in a branch: it is part of the model, which goes on. These can: st",
    ),
    (4, {"batch_size": 8}, "batch_size cannot be changed in a branch: it decides which windows"),
    (4, {"optimizer": "muon"}, "optimizer cannot be changed in a branch"),
    (4, {"seed": 1}, "seed cannot be changed in a branch"),
    (4, {"data": "other.txt"}, "data cannot be changed in a branch: it is not a setting of training"),
    (4, {"learning_rate": -1.0}, "learning_rate must be above 0"),
    (4, {"precision": "float16"}, "precision cannot be changed from or to float16"),
    (4, {"sample_prompt": "жук"}, "does not know 'ж'"),
]


@pytest.mark.parametrize(("step", "changes", "sentence"), REFUSED, ids=[case[2][:30] for case in REFUSED])
def test_what_cannot_be_changed_is_named_and_leaves_nothing(finished, step, changes, sentence):
    runs = finished[0].folder.path.parent
    before = sorted(runs.iterdir())
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        start_branch(finished[0].folder.path, step, changes)
    assert sorted(runs.iterdir()) == before


def test_a_run_that_stopped_early_goes_on_only_with_more_patience(tmp_path):
    parent = start(tmp_path, dataclasses.replace(TRAINING, steps=40, eval_every=1, patience=1, learning_rate=0.5))
    list(parent)
    assert parent.step < 40
    with pytest.raises(ValueError, match="patience must be above 1, or 0, to go on from step"):
        start_branch(parent.folder.path)
    branch = start_branch(parent.folder.path, changes={"patience": 0})
    next(branch)


def test_a_run_that_trains_can_be_branched_and_its_later_best_weights_stay_its_own(tmp_path):
    parent = start(tmp_path, dataclasses.replace(TRAINING, eval_every=3))
    for _ in range(5):
        next(parent)
    branch = start_branch(parent.folder.path, 4)
    assert load_run(branch.folder.path).step == 3  # the best until then
    earlier = start_branch(parent.folder.path, 2)
    assert not earlier.folder.has("best") and parent.folder.has("best")
    list(parent)


def test_a_run_of_an_earlier_version_has_an_optimizer_state_of_its_last_step_alone(tmp_path):
    parent = start(tmp_path)
    list(parent)
    for state in sorted(parent.folder.path.glob("*/trainer.pt"))[:-1]:
        state.unlink()
    with pytest.raises(ValueError, match=r"it has an optimizer state of these steps: 12$"):
        start_branch(parent.folder.path, 4)
    assert start_branch(parent.folder.path, changes={"steps": 13}).step == 12


def test_a_damaged_parent_leaves_no_half_made_branch(tmp_path):
    parent = start(tmp_path)
    list(parent)
    (parent.folder.path / "text.txt").write_text(TEXT + "more\n")
    with pytest.raises(ValueError, match="not the text that the run began with"):
        start_branch(parent.folder.path, 4)
    assert [path.name for path in tmp_path.iterdir()] == [parent.folder.id]


def test_a_job_that_is_started_again_continues_its_branch(tmp_path, monkeypatch):
    parent = start(tmp_path)
    list(parent)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job 7")
    branch = start_branch(parent.folder.path, 4, {"grad_clip": 0.5})
    next(branch)
    branch.snapshot()
    again = start_branch(parent.folder.path, 4, {"grad_clip": 0.5})
    assert (again.folder.id, again.step) == (branch.folder.id, 5)
    assert start_branch(parent.folder.path, 4, {"grad_clip": 0.7}).folder.id != branch.folder.id


def test_the_restart_of_the_schedule_is_one_sentence_with_its_numbers():
    before = TrainingConfig(steps=100, learning_rate=0.01)  # trapezoid: falls over the last 80 steps
    longer = dataclasses.replace(before, steps=200)
    assert schedule_in_words(before, longer, 100) == (
        "The schedule is that of a run of 200 steps from now on: in step 101 the learning rate is 62% of its peak, "
        "where this run's schedule has 1%. Training loss may rise before it falls further."
    )
    assert schedule_in_words(before, before, 50) == ""
    assert schedule_in_words(before, dataclasses.replace(before, learning_rate=0.02), 50) == ""
