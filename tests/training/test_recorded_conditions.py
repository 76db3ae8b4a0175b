"""config.json holds what it takes to train a run again, and a resumed run says if it rounds differently."""

import dataclasses

import pytest
import torch
from run_folders import change_config

from llm.cli import main
from llm.config import TrainingConfig
from llm.presets import preset
from llm.runtime import compute
from llm.runtime.conditions import current_conditions
from llm.training.resumes import Resume, changed_since_start, resumes
from llm.training.setup import resume_run, start_run

TEXT = "a red fox saw a red bird\n" * 40


@pytest.fixture
def stopped(tmp_path):
    """A run stopped after one of its two steps."""
    model = preset("llama", d_vocab=1, d_model=8, n_layers=1, n_heads=2, n_ctx=8)
    training = TrainingConfig(steps=2, batch_size=2, eval_every=9, eval_windows=1, sample_tokens=0, device="cpu")
    trainer = start_run(model, training, "char", TEXT, "foxes.txt", tmp_path)
    next(trainer)
    trainer.snapshot()
    return trainer.folder


@pytest.fixture
def another_thread_count():
    threads = compute.run(torch.get_num_threads)
    compute.run(torch.set_num_threads, threads + 1)
    yield f"threads {threads}, %s {threads + 1}"
    compute.run(torch.set_num_threads, threads)


def test_a_run_records_its_conditions_code_and_data_order(stopped):
    raw = stopped.config().raw
    precision = torch.bfloat16 if raw["conditions"]["precision"] == "bfloat16" else torch.float32
    here = compute.run(current_conditions, torch.device("cpu"), precision)
    assert raw["conditions"] == dataclasses.asdict(here)
    assert raw["conditions"]["precision"] != "auto"
    assert raw["data_order"]["seed"] == 0
    assert "golden ratio" in raw["data_order"]["scheme"]
    assert raw["code"] is None or len(raw["code"]["commit"]) == 40
    assert changed_since_start(stopped.config()) == []


def test_resuming_under_other_conditions_says_so(stopped, another_thread_count, capsys):
    assert changed_since_start(stopped.config()) == [another_thread_count % "here"]
    assert main(["train", "--resume", str(stopped.path)]) == 0
    assert f"not bit for bit as without the pause: {another_thread_count % 'then'}" in capsys.readouterr().out
    assert resumes(stopped.config()) == [Resume(1, [another_thread_count % "then"])]
    assert main(["reproduce", str(stopped.path)]) in (0, 1)
    assert f"resumed at step 1 under other conditions: {another_thread_count % 'then'}." in capsys.readouterr().out


def test_a_resume_under_the_conditions_of_the_start_changes_no_record(stopped, another_thread_count):
    before = stopped.config().raw
    resume_run(stopped.path).folder.unlock()
    under_others = stopped.config().raw
    assert under_others == before | {"resumed": under_others["resumed"]}
    compute.run(torch.set_num_threads, compute.run(torch.get_num_threads) - 1)
    resume_run(stopped.path).folder.unlock()  # at the same step: what was trained under the others is taken again
    assert stopped.config().raw == before | {"resumed": []}


@pytest.mark.parametrize(
    "recorded", [3, {}, [3, {"step": "x"}], [{"step": 0}], [{"step": 0, "conditions": [], "code": 3}]]
)
def test_odd_records_of_resumes_hide_nothing(stopped, recorded):
    change_config(stopped.path, lambda config: config.update(resumed=recorded))
    assert all(resume.changes == [] for resume in resumes(stopped.config()))
    assert resume_run(stopped.path).step == 1


@pytest.mark.parametrize("recorded", [None, [], {"versions": {"torch": None}}])
def test_runs_without_such_records_still_resume(stopped, recorded, capsys):
    change_config(stopped.path, lambda config: config.update(conditions=recorded, code=None, data_order=None))
    assert main(["train", "--resume", str(stopped.path)]) == 0


def test_a_run_that_needs_more_memory_than_there_is_is_not_resumed(stopped, capsys):
    change_config(stopped.path, lambda config: config["training"].update(batch_size=10**10))
    assert main(["train", "--resume", str(stopped.path)]) == 2
    assert "GB: resume the run on a machine with more" in capsys.readouterr().err
