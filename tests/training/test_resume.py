"""A run that is killed, stopped or resumed ends as one that was left alone."""

import dataclasses
import json

import pytest
import torch
from run_folders import rows_without_times
from tiny_training import TEXT, TRAINING, same, start, weights

from llm.data import split_text
from llm.runs.corpus import run_corpus
from llm.training.setup import resume_run


def test_a_run_from_before_the_test_part_trains_on_bit_for_bit_and_keeps_all_of_its_validation_text(tmp_path):
    straight, older = start(tmp_path / "straight"), start(tmp_path / "older")
    list(straight)
    for _ in range(5):
        next(older)
    older.snapshot()
    path = older.folder.path / "config.json"
    about = json.loads(path.read_text())
    for name in ("validation_characters", "test_characters", "sentences_seen_in_training"):
        del about["text"][name]
    del about["baselines_of_all"]
    path.write_text(json.dumps(about))
    resumed = resume_run(older.folder.path)
    metrics = list(resumed)
    assert same(weights(straight), weights(resumed))
    train, validation, test = run_corpus(resumed.folder, resumed.tokenizer).parts
    assert (train, test) == (split_text(TEXT).train, "")
    assert metrics[-1].final_evaluation.characters > 0.9 * len(validation) > 0.09 * len(TEXT)


MODEL = ("dropout", "architecture", "mask")
CASES = {
    "adamw": {},
    "dropout": {"dropout": 0.3},
    "muon": {"optimizer": "muon"},
    "accumulation": {"accumulation": 2, "precision": "bfloat16"},
    "gpt": {"architecture": "gpt", "dropout": 0.1},
    "masked": {"mask": "bidirectional", "masked_fraction": 0.3},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_killed_run_resumes_bit_for_bit(tmp_path, case):
    training = dataclasses.replace(TRAINING, **{name: value for name, value in case.items() if name not in MODEL})
    model = {name: value for name, value in case.items() if name in MODEL}
    straight = start(tmp_path / "straight", training, **model)
    list(straight)

    killed = start(tmp_path / "killed", training, **model)
    for _ in range(7):  # its newest snapshot lies before step 7: the rows after it are taken again
        next(killed)
    assert killed.folder.snapshots()[-1] < 7
    assert killed.folder.read_metrics().rows[-1]["step"] == 7
    path = killed.folder.path
    del killed
    torch.rand(100)  # whatever else draws from the process's random state in between
    resumed = resume_run(path)
    list(resumed)

    assert same(weights(straight), weights(resumed))
    assert rows_without_times(straight.folder) == rows_without_times(resumed.folder)


@pytest.mark.parametrize("steps_before_stop", [0, 3, 5, 11])
def test_a_stopped_run_continues_from_that_very_step(tmp_path, steps_before_stop, finished):
    stopped = start(tmp_path)
    for _ in range(steps_before_stop):
        next(stopped)
    stopped.snapshot()
    assert stopped.folder.snapshots()[-1] == steps_before_stop
    assert stopped.folder.status().state == "stopped"
    resumed = resume_run(stopped.folder.path)
    assert resumed.step == steps_before_stop
    list(resumed)
    assert same(weights(finished[0]), weights(resumed))
    assert rows_without_times(finished[0].folder) == rows_without_times(resumed.folder)


def test_a_run_killed_before_its_first_snapshot_starts_anew(tmp_path, finished):
    resumed = resume_run(start(tmp_path).folder.path)
    list(resumed)
    assert rows_without_times(finished[0].folder) == rows_without_times(resumed.folder)


def test_resuming_a_finished_run_changes_nothing(finished):
    before = rows_without_times(finished[0].folder)
    resumed = resume_run(finished[0].folder.path)
    assert resumed.finished
    assert list(resumed) == []
    assert rows_without_times(finished[0].folder) == before
    assert resumed.folder.status().state == "finished"


def test_dropout_depends_on_the_run_alone(tmp_path):
    undisturbed = start(tmp_path, dropout=0.3)
    disturbed = start(tmp_path, dropout=0.3)
    for _ in range(3):
        torch.manual_seed(7)
        next(disturbed)
        after = torch.random.get_rng_state()
        torch.manual_seed(7)
        assert torch.equal(after, torch.random.get_rng_state())
        next(undisturbed)
        torch.rand(5)
    assert same(weights(undisturbed), weights(disturbed))


def test_the_seed_decides_everything(tmp_path, finished):
    again = start(tmp_path)
    list(again)
    assert rows_without_times(again.folder) == rows_without_times(finished[0].folder)
    other = start(tmp_path, dataclasses.replace(TRAINING, seed=1))
    next(other)
    assert rows_without_times(other.folder)[1]["loss"] != rows_without_times(again.folder)[1]["loss"]


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_run_that_is_being_trained_is_left_alone(tmp_path, state):
    trainer = start(tmp_path)
    next(trainer)
    if state == "paused":
        trainer.snapshot("paused")
    before = rows_without_times(trainer.folder)
    with pytest.raises(ValueError, match="is being trained in this process: stop it there before resuming"):
        resume_run(trainer.folder.path)
    assert rows_without_times(trainer.folder) == before
    trainer.snapshot("stopped")
    assert resume_run(trainer.folder.path).step == 1


def test_of_two_resumes_at_once_one_trains(tmp_path):
    trainer = start(tmp_path)
    next(trainer)
    trainer.snapshot("stopped")
    first = resume_run(trainer.folder.path)  # has not taken a step: status.json still says "stopped"
    with pytest.raises(ValueError, match="is being trained in this process"):
        resume_run(trainer.folder.path)
    list(first)
    assert first.folder.status().state == "finished"


def test_a_run_whose_resume_failed_can_be_resumed(tmp_path):
    folder = start(tmp_path).folder
    text = (folder.path / "text.txt").read_bytes()
    folder.unlock()
    (folder.path / "text.txt").write_bytes(b"other")
    with pytest.raises(ValueError, match="not the text") as failure:
        resume_run(folder.path)
    (folder.path / "text.txt").write_bytes(text)
    assert resume_run(folder.path).step == 0
    del failure  # until here it kept the objects of the first attempt


def test_another_text_than_the_runs_own_is_not_resumed(tmp_path):
    trainer = start(tmp_path)
    next(trainer)
    trainer.snapshot()
    text = trainer.folder.path / "text.txt"
    text.write_text(TEXT + "one more line\n")
    with pytest.raises(ValueError, match=r"text\.txt is damaged: it is not the text that the run began with"):
        resume_run(trainer.folder.path)
