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
from llm.training.setup import changed_since_start, start_run

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
    yield f"threads {threads}, here {threads + 1}"
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
    assert changed_since_start(stopped) == []


def test_resuming_under_other_conditions_says_so(stopped, another_thread_count, capsys):
    assert changed_since_start(stopped) == [another_thread_count]
    assert main(["train", "--resume", str(stopped.path)]) == 0
    assert f"not bit for bit as without the pause: {another_thread_count}" in capsys.readouterr().out


@pytest.mark.parametrize("recorded", [None, [], {"versions": {"torch": None}}])
def test_runs_without_such_records_still_resume(stopped, recorded, capsys):
    change_config(stopped.path, lambda config: config.update(conditions=recorded, code=None, data_order=None))
    assert main(["train", "--resume", str(stopped.path)]) == 0
