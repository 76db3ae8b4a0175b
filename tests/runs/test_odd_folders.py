"""One odd run folder never hides the others, and no link leads out of it."""

import json
import os

import pytest
import torch
from odd_folders import ODD, SECRET, mutations, put, within
from run_folders import MODEL, TOKENIZER, copy_run, new_run, row

from llm import Transformer
from llm.runs.corpus import run_corpus
from llm.runs.folder import FILES, RunFolder
from llm.runs.listing import list_runs
from llm.runs.loading import load_run
from llm.runs.metrics import parse_rows
from llm.runs.table import run_rows
from llm.runtime.files import write_bytes, write_folder
from llm.runtime.regular_files import IrregularFileError, open_regular


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside"
    path.write_bytes(SECRET)
    yield path
    assert path.read_bytes() == SECRET


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_run_with_something_odd_in_place_of_a_file_is_listed_with_the_reason(tmp_path, outside, kind, name):
    folder = new_run(tmp_path / "checkpoints")
    (intact,) = copy_run(folder, 1)
    said = put(kind, folder.path / name, outside)
    with within(20):
        runs = {run.id: run for run in list_runs(folder.path.parent)}
    assert list(runs) == [folder.id, intact]
    assert runs[folder.id].state == "damaged"
    assert said in runs[folder.id].problem and name in runs[folder.id].problem
    assert runs[folder.id].problem in runs[folder.id].label
    assert (runs[intact].problem, runs[intact].architecture) == (None, "llama")


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize(
    "read",
    [
        lambda run: run.config(),
        lambda run: load_run(run.path),
        lambda run: load_run(run.path, step=3),
        lambda run: run.text(),
        lambda run: run.read_metrics(),
        lambda run: run.last_measures(),
        lambda run: run_corpus(run, TOKENIZER),
        lambda run: run.truncate_metrics(1),
        lambda run: run.append_metrics(row(4)),
        lambda run: run.append_sample({"text": "a"}),
        lambda run: run.samples(),
        lambda run: run.status(),
        lambda run: run.snapshots(),
        lambda run: run.trainer_state(3),
        lambda run: run.has("final"),
    ],
)  # fmt: skip
def test_whatever_is_in_place_of_the_files_nothing_waits_and_nothing_outside_is_touched(tmp_path, outside, kind, read):
    folder = new_run(tmp_path / "checkpoints")
    folder.save_snapshot(3, Transformer(MODEL), {}, {}, keep_mb=100)
    for name in [*sorted(FILES), "step_000003/trainer.pt", "step_000003/model.safetensors"]:
        put(kind, folder.path / name, outside)
        try:
            with within(20):
                read(folder)
        except (ValueError, OSError) as error:
            assert "\n" not in str(error)


def test_a_snapshot_that_is_a_link_is_none(tmp_path):
    folder, other = new_run(tmp_path / "checkpoints"), new_run(tmp_path / "elsewhere")
    for run, step in ((other, 3), (folder, 2)):
        run.save_snapshot(step, Transformer(MODEL), {}, {"step": step}, keep_mb=100)
    (folder.path / "step_000003").symlink_to(other.path / "step_000003")
    before = {path: path.read_bytes() for path in other.path.rglob("*") if path.is_file()}
    assert folder.snapshots() == [2]
    assert "step_000003 is not a folder" in list_runs(folder.path.parent)[0].problem
    with pytest.raises(FileNotFoundError, match="no weights of step 3"):
        load_run(folder.path, step=3)
    folder.save_snapshot(4, Transformer(MODEL), {}, {}, keep_mb=0)  # deletes old trainer states, and thins out
    folder.save_snapshot(3, Transformer(MODEL), {}, {}, keep_mb=0)  # in place of the link
    assert {path: path.read_bytes() for path in other.path.rglob("*") if path.is_file()} == before
    assert not (folder.path / "step_000003").is_symlink()
    assert not list(folder.path.glob(".writing-*"))


def test_links_at_temporary_names_are_not_written_through(tmp_path, outside, monkeypatch):
    monkeypatch.setattr("llm.runtime.files._temporary", lambda path: path.with_name(f".writing-{path.name}"))
    kept = tmp_path / "kept"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(SECRET)
    for name in ("kept", "step"):
        (tmp_path / f".writing-{name}").symlink_to(outside if name == "kept" else tmp_path / "folder")
    write_bytes(kept, b"new")
    write_folder(tmp_path / "step", lambda folder: (folder / "file").write_bytes(b"new"))
    assert kept.read_bytes() == (tmp_path / "step" / "file").read_bytes() == b"new"
    assert (tmp_path / "folder" / "file").read_bytes() == SECRET


def test_links_and_pipes_are_refused_where_the_system_lacks_the_flags(tmp_path, outside, monkeypatch):
    monkeypatch.setattr("llm.runtime.regular_files.SAFE_FLAGS", 0)
    (tmp_path / "link").symlink_to(outside)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        for mode in ("rb", "a+b"):
            with within(20), pytest.raises(IrregularFileError):
                open_regular(tmp_path / name, mode)


@pytest.mark.parametrize("name", ["config.json", "status.json"])
def test_missing_and_mistyped_fields_hide_no_run(trained, name):
    path = trained.path / name
    intact = path.read_bytes()
    try:
        for damaged in mutations(json.loads(intact)):
            path.write_bytes(damaged)
            [run] = list_runs(trained.path.parent)
            assert run.label and (run.problem is None) == (run.state != "damaged")
            assert "\\ud800" not in repr(run)
            numbers = [value for value in run_rows([run])[0].values() if type(value) is int]
            assert max(numbers) < 2**63  # a table of the page holds no more
    finally:
        path.write_bytes(intact)


def test_metrics_of_other_kinds_than_their_fields_read_as_none(tmp_path):
    folder = new_run(tmp_path)
    whole = row(1, learning_rate=0.1, grad_norms={"embed": 1.0}, sample="a", skills={"count": 0.5})
    for line in mutations(whole):
        [found] = parse_rows(line) or [{}]
        with (folder.path / "metrics.jsonl").open("wb") as file:
            file.write(line + b"\n")
        for read in folder.read_metrics().rows:
            assert read.keys() == found.keys()
            for name, value in read.items():
                assert value is None or type(value) is type(whole[name]) or isinstance(value, int | float)
            assert read.get("evaluation") is None or isinstance(read["evaluation"]["loss"], int | float)
        evaluation = folder.last_measures().evaluation
        assert not evaluation or isinstance(evaluation["loss"], int | float)


def test_metrics_stay_as_they_were_when_a_run_is_resumed(tmp_path):
    folder = new_run(tmp_path)
    line = b'{"step": 1, "loss": "low", "note": "mine"}\n'
    (folder.path / "metrics.jsonl").write_bytes(line)
    folder.truncate_metrics(1)
    assert (folder.path / "metrics.jsonl").read_bytes() == line


def test_a_file_of_any_size_hides_no_run(tmp_path):
    folder = new_run(tmp_path)
    with (folder.path / "config.json").open("ab") as file:
        file.truncate(10**13)
    [run] = list_runs(tmp_path)
    assert "has 10,000,000,000,000 bytes" in run.problem


def test_a_folder_that_holds_a_tokenizers_links_is_reported(trained_copy, outside):
    put("a link to a file", trained_copy.path / "tokenizer.json", outside)
    with pytest.raises(ValueError, match=r"tokenizer\.json is a link"):
        load_run(trained_copy.path)


@pytest.fixture
def trained_copy(tmp_path) -> RunFolder:
    folder = new_run(tmp_path / "checkpoints")
    torch.manual_seed(1)
    folder.save_model("final", Transformer(MODEL), 3)
    return folder
