import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from run_folders import ABOUT, MODEL, TEXT, TOKENIZER, TRAINING, in_a_child_process, names, new_run

from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs
from llm.runs.loading import load_run
from llm.runtime.files import write_json


def test_a_new_run_has_the_files_of_the_design(tmp_path):
    before = datetime.now().replace(microsecond=0)
    folder = new_run(tmp_path / "not there yet" / "checkpoints")
    assert before <= datetime.strptime(folder.id, "%Y%m%d%H%M%S") <= datetime.now()
    files = {"config.json", "tokenizer.json", "text.txt", "metrics.jsonl", "status.json", "training.lock"}
    assert names(folder.path) == files
    assert json.loads((folder.path / "config.json").read_bytes()) == ABOUT
    config = folder.config()
    assert (config.model, config.training, config.raw) == (MODEL, TRAINING, ABOUT)
    assert folder.text() == TEXT
    assert folder.read_metrics().rows == []
    assert (folder.status().state, folder.status().step, folder.status().pid) == ("running", 0, os.getpid())
    assert folder.snapshots() == []
    assert RunFolder(str(folder.path)).id == folder.id


def test_nobody_can_resume_a_run_before_its_own_training_begins(tmp_path, monkeypatch):
    refused = []

    def write_and_resume(path, content):
        write_json(path, content)
        if path.name == "config.json":  # from here on others can see the run
            with pytest.raises(ValueError, match="is being trained in this process") as error:
                RunFolder(path.parent).lock()
            refused.append(error)

    monkeypatch.setattr("llm.runs.folder.write_json", write_and_resume)
    folder = new_run(tmp_path)
    assert len(refused) == 1 and folder.path.is_dir()
    folder.unlock()
    RunFolder(folder.path).lock()


def test_a_trained_run_has_the_files_of_the_design(trained):
    assert names(trained.path) == {
        *("config.json", "tokenizer.json", "text.txt", "metrics.jsonl", "status.json", "training.lock"),
        *("step_000000", "step_000003", "best_model.safetensors", "final_model.safetensors"),
    }
    assert names(trained.path / "step_000003") == {"model.safetensors", "snapshot.json", "trainer.pt"}
    assert json.loads((trained.path / "step_000003" / "snapshot.json").read_bytes()) == {"step": 3}


def test_a_field_added_since_keeps_its_default(tmp_path):
    model = {name: value for name, value in ABOUT["model"].items() if name not in ("dropout", "qk_norm")}
    assert new_run(tmp_path, ABOUT | {"model": model}).config().model == MODEL


def test_runs_of_one_second_take_the_next_seconds(tmp_path, monkeypatch):
    class Stopped(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 12, 31, 23, 59, 58)

    monkeypatch.setattr("llm.runs.folder.datetime", Stopped)
    ids = [new_run(tmp_path).id for _ in range(4)]
    assert ids == ["20261231235958", "20261231235959", "20270101000000", "20270101000001"]


@pytest.mark.parametrize("also_has", ["", "config.json", "status.json", "step_000004", "notes.md"])
def test_a_folder_whose_creation_was_killed_is_removed_an_hour_later(tmp_path, also_has):
    path = tmp_path / "20260131120000"
    path.mkdir()
    for name in ("tokenizer.json", "text.txt", ".writing-metrics.jsonl-12-34", also_has):
        (path / (name or "metrics.jsonl")).write_text("text" if name else "")
    new_run(tmp_path)
    assert path.exists()
    an_hour_ago = time.time() - 3601
    os.utime(path, (an_hour_ago, an_hour_ago))
    new_run(tmp_path)
    assert path.exists() == bool(also_has)


def test_a_copy_of_a_run_whose_creation_was_killed_is_removed_an_hour_later(tmp_path):
    def killed(path: Path) -> None:
        (path / "metrics.jsonl").write_text("rows")
        (path / "step_000001").mkdir()
        os._exit(9)

    in_a_child_process(lambda: RunFolder.create(tmp_path, ABOUT, TOKENIZER, TEXT, killed))
    [path] = tmp_path.iterdir()
    path = path.rename(tmp_path / "20260131120000")  # a name that no new run gets
    assert list_runs(tmp_path) == []
    new_run(tmp_path)
    assert path.exists()
    an_hour_ago = time.time() - 3601
    os.utime(path, (an_hour_ago, an_hour_ago))
    new_run(tmp_path)
    assert not path.exists()
    complete = RunFolder.create(tmp_path, ABOUT, TOKENIZER, TEXT, lambda path: (path / "step_000001").mkdir())
    assert not list(complete.path.glob(".writing-*")) and complete.snapshots() == [1]


def test_threads_and_processes_that_start_runs_at_once_get_folders_of_their_own(tmp_path):
    def two_runs(text: str) -> None:
        for number in range(2):
            new_run(tmp_path, text=f"{text}{number}")

    with ThreadPoolExecutor(6) as pool:
        list(
            pool.map(
                lambda name: in_a_child_process(lambda: two_runs(name)) if name < "d" else two_runs(name), "abcdef"
            )
        )
    runs = list_runs(tmp_path)
    assert sorted(RunFolder(run.path).text() for run in runs) == [a + b for a in "abcdef" for b in "01"]


def test_a_folder_without_config_is_not_a_run(tmp_path):
    folder = tmp_path / "20260131120000"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r"20260131120000 is not a run folder.*uv run llm runs"):
        RunFolder(folder)
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        load_run(tmp_path / "nothing")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("one\r\ntwo\rthree\n\r\n\r")
@example("\ufeffa mark\ufeff, \x00, \x85, \u2028, \x0b, \x1a")
def test_the_text_comes_back_to_the_character(tmp_path, text):
    assert new_run(tmp_path, text=text).text() == text


def test_a_damaged_text_is_one_sentence(tmp_path):
    folder = new_run(tmp_path)
    (folder.path / "text.txt").write_bytes(b"fox \xff")
    with pytest.raises(DamagedCheckpointError, match=r"text\.txt is damaged: it is not UTF-8"):
        folder.text()
    (folder.path / "text.txt").unlink()
    with pytest.raises(DamagedCheckpointError, match=r"text\.txt is damaged: it is missing"):
        folder.text()


def test_samples_come_back_in_their_order(tmp_path):
    folder = new_run(tmp_path)
    assert folder.samples() == []
    samples = [{"prompt": "狐\r\n\u2028", "text": "\x00 \ufeff"}, {"prompt": "", "text": "x" * 10**5}]
    for sample in samples:
        folder.append_sample(sample)
    assert folder.samples() == samples
