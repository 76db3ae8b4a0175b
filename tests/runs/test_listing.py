import collections
import io
import json
import shutil
from datetime import datetime

import pytest
from run_folders import ABOUT, CONFIGS, MODEL, TRAINING, content, copy_run, new_run, row

from llm import Transformer
from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs


class Counting:
    """A file that notes how much is read from it."""

    def __init__(self, file: io.IOBase, totals: collections.Counter) -> None:
        self.file, self.totals = file, totals

    def read(self, *arguments: int) -> bytes | str:
        found = self.file.read(*arguments)
        self.totals["bytes"] += len(found)
        return found

    def __getattr__(self, name: str) -> object:
        assert name in ("seek", "tell", "close", "fileno")  # other ways to read would not be counted
        return getattr(self.file, name)

    def __enter__(self) -> "Counting":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def test_listing_hundreds_of_runs_reads_little_of_each(tmp_path, monkeypatch):
    folder = new_run(tmp_path, text="a long text " * 500)
    for step in range(20):
        folder.append_metrics(row(step, loss=step / 8))
    ids = [folder.id, *copy_run(folder, 299)]
    with (tmp_path / ids[100] / "metrics.jsonl").open("ab") as file:  # a run of a million steps
        file.write((json.dumps({"step": 50, "loss": 1.0, "evaluation": None}).encode() + b"\n") * 100_000)
    totals, real_open = collections.Counter(), io.open

    def counted(*arguments: object, **named: object) -> Counting:
        totals["files"] += 1
        return Counting(real_open(*arguments, **named), totals)

    monkeypatch.setattr(io, "open", counted)
    monkeypatch.setattr("builtins.open", counted)
    runs = list_runs(tmp_path)
    monkeypatch.undo()
    assert [run.id for run in runs] == ids
    assert {run.loss for run in runs} == {19 / 8, None}
    assert totals["files"] == 3 * 300
    small = sum((folder.path / name).stat().st_size for name in ("config.json", "status.json", "metrics.jsonl"))
    assert totals["bytes"] <= 300 * small + 200_000


def test_a_run_is_listed_with_what_a_person_knows_it_by(tmp_path):
    folder = new_run(tmp_path)
    folder.append_metrics(row(0, 3.2))
    folder.append_metrics(row(50, 1.384))
    folder.append_metrics({"step": 51, "loss": 1.2, "evaluation": None})
    folder.write_status("stopped", "", 1200)
    [unfinished] = list_runs(tmp_path)
    assert (unfinished.loss, unfinished.standard_error) == (1.384, None)
    whole = {"loss": 1.512, "standard_error": 0.0312}
    folder.append_metrics({"step": 52, "loss": 1.2, "evaluation": {"loss": 1.3}, "final_evaluation": whole})
    path = tmp_path / "20260131120500"
    folder.path.rename(path)
    [run] = list_runs(str(tmp_path))
    assert run.label == (
        "llama small + layernorm + positional learned + gelu + 10 more · step 1,200 of 4,000 · char · foxes.txt · "
        "loss 1.51 ± 0.03 · 31 Jan 12:05"
    )
    assert (run.config.model, run.config.training) == (MODEL, TRAINING)
    folder = RunFolder(path)
    folder.write_status("finished", "", 4000)
    assert " · 4,000 steps · char" in list_runs(tmp_path)[0].label
    assert (run.id, run.path, run.state, run.step, run.steps) == ("20260131120500", path, "stopped", 1200, 4000)
    assert (run.loss, run.standard_error, run.created) == (1.512, 0.0312, datetime(2026, 1, 31, 12, 5))
    assert run.parameters == sum(parameter.numel() for parameter in Transformer(MODEL).parameters())


def test_a_loss_of_the_untrained_model_says_so(tmp_path):
    folder = new_run(tmp_path)
    folder.append_metrics(row(0, 3.5))
    folder.write_status("stopped", "", 5)
    [run] = list_runs(tmp_path)
    assert run.measured_step == 0 and " · loss 3.50 at step 0 · " in run.label
    folder.append_metrics(row(5, 3.25))
    [run] = list_runs(tmp_path)
    assert run.measured_step == 5 and " · loss 3.25 · " in run.label


def test_a_run_without_a_preset_is_custom(tmp_path):
    about = {name: value for name, value in ABOUT.items() if name not in ("text", "tokenizer", "architecture", "size")}
    new_run(tmp_path, about)
    [run] = list_runs(tmp_path)
    assert run.label.startswith("custom · step 0 of 4,000 · ")
    assert run.loss is None


@pytest.mark.parametrize("case", [case for case in CONFIGS if "bytes cannot hold" not in CONFIGS[case][1]], ids=str)
def test_a_damaged_run_is_listed_as_damaged_and_breaks_nothing(tmp_path, case):
    folder = new_run(tmp_path)
    folder.write_status("stopped", "", 0)
    newer, older = folder.id, copy_run(folder, 1)[0]
    for damaged, intact in ((newer, older), (older, newer)):
        with content(tmp_path / damaged / "config.json", CONFIGS[case][0]):
            runs = {run.id: run for run in list_runs(tmp_path)}
        assert list(runs) == [newer, older]
        assert runs[damaged].state == "damaged"
        assert damaged in runs[damaged].label
        assert (runs[intact].state, runs[intact].architecture) == ("stopped", "llama")


@pytest.mark.parametrize(
    "fields",
    [
        {"architecture": 3, "size": ["small"], "tokenizer": "char", "text": ["foxes.txt"], "parameters": "many"},
        {"architecture": {"a": 1}, "size": None, "tokenizer": {"kind": 3}, "text": {"name": {}}, "parameters": []},
    ],
)
def test_names_that_are_none_are_left_out_of_the_list(tmp_path, fields):
    folder = new_run(tmp_path, ABOUT | fields)
    [run] = list_runs(tmp_path)
    assert run.label.startswith("custom · step 0 of 4,000 · ")
    assert run.state == "running"
    folder.unlock()


@pytest.mark.parametrize(
    "line",
    [b'{"evaluation": {"loss": "low"}}', b'{"evaluation": {}}', b'{"evaluation": {"loss": [1]}}', b'"evaluation": {'],
)
def test_an_evaluation_without_a_loss_is_passed_over(tmp_path, line):
    folder = new_run(tmp_path)
    folder.append_metrics(row(0, 3.5))
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(line + b"\n")
    assert list_runs(tmp_path)[0].loss == 3.5


def test_what_is_not_a_run_is_not_listed(tmp_path):
    assert list_runs(tmp_path / "nothing") == []
    assert list_runs(tmp_path) == []
    for name in ("20260131120000", "notes", "2026013112000", "202601311200000", "٢٠٢٦٠١٣١١٢٠٠٠٠"):
        (tmp_path / name).mkdir()
    for name in ("notes", "2026013112000", "202601311200000", "٢٠٢٦٠١٣١١٢٠٠٠٠"):
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "20260131120001").write_text("a file")
    assert list_runs(tmp_path) == []


def test_a_run_named_after_no_time_is_listed(tmp_path):
    folder = new_run(tmp_path)
    folder.path.rename(tmp_path / "99999999999999")
    [run] = list_runs(tmp_path)
    assert run.created is None
    assert run.label.endswith("99999999999999")


def test_a_run_removed_meanwhile_is_left_out(tmp_path, monkeypatch):
    folder = new_run(tmp_path)
    older = copy_run(folder, 2)
    config = RunFolder.config

    def removing(self: RunFolder) -> object:
        shutil.rmtree(tmp_path / older[0], ignore_errors=True)
        return config(self)

    monkeypatch.setattr(RunFolder, "config", removing)
    assert [run.id for run in list_runs(tmp_path)] == [folder.id, older[1]]
