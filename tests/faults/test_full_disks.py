"""A disk that is full, failing or read-only, and a folder that is gone, while a run is written."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_folders import new_run

from llm.background import trainings
from llm.checkpoints import RunFolder, list_runs, load_run
from llm.cli import main
from llm.cli.terminal import TrainingView
from llm.runtime import files, regular_files
from llm.training.new_run import NewRun

TEXT = "one two three four five six seven eight nine ten\n" * 60
WORDS = ["train", "--data", "numbers.txt", "--tokenizer", "char", "--d-model", "8", "--n-layers", "1", "--n-heads", "1"]
WORDS += ["--n-ctx", "8", "--batch-size", "2", "--eval-windows", "2", "--sample-tokens", "0", "--skill-pairs", "0"]
WORDS += ["--device", "cpu"]
PROBLEMS = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbers.txt").write_text(TEXT)


def break_disk(monkeypatch, where: str, number: int) -> None:
    """From now on every atomic write, or every append, fails."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    if where == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr("llm.runs.metrics.open_regular", fail)


@pytest.mark.parametrize("where", ["fsync", "append"])
@pytest.mark.parametrize("number", PROBLEMS, ids=errno.errorcode.get)
def test_a_disk_that_fails_is_one_sentence_and_the_run_goes_on_once_it_works(where, number, monkeypatch, capsys):
    with monkeypatch.context() as broken:
        broken.setattr(TrainingView, "step", lambda _, metrics: metrics.step == 3 and break_disk(broken, where, number))
        assert main([*WORDS, "--steps", "9"]) == 1
    sentence = capsys.readouterr().err
    (run,) = list_runs()
    assert sentence.count("\n") == 1 and "Traceback" not in sentence
    assert f"could not be saved in {run.path}: {os.strerror(number)}. The snapshot of step 2 is safe" in sentence
    assert f"uv run llm train --resume {run.path}" in sentence
    assert ("Make room" in sentence) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert run.state == ("failed" if where == "append" else "interrupted")
    assert load_run(run.path, 2).step == 2
    assert main(["train", "--resume", str(run.path)]) == 0
    assert list_runs()[0].state == "finished"
    assert not list(run.path.glob(f"{files.TEMPORARY}*"))
    assert [row["step"] for row in RunFolder(run.path).read_metrics().rows] == list(range(10))


def test_a_folder_that_is_removed_while_it_trains_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(TrainingView, "step", lambda _, metrics: metrics.step == 3 and shutil.rmtree("checkpoints"))
    assert main([*WORDS, "--steps", "9"]) == 1
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1 and "is gone. Start a new run" in sentence
    assert list_runs() == []


def test_a_run_that_cannot_be_created_leaves_nothing(tmp_path, monkeypatch, capsys):
    break_disk(monkeypatch, "fsync", errno.ENOSPC)
    assert main([*WORDS, "--steps", "9"]) == 2
    assert capsys.readouterr().err == "llm: No space left on device\n"
    assert list(Path("checkpoints").iterdir()) == []


def test_the_state_of_a_failed_training_is_told_even_if_it_could_not_be_written(tmp_path, monkeypatch):
    from llm.config import TrainingConfig
    from llm.presets import preset

    training = TrainingConfig(steps=10**6, batch_size=2, eval_windows=2, sample_tokens=0, skill_pairs=0, device="cpu")
    config = preset("gpt", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=8)
    run = trainings.start(NewRun(config, training, "char", TEXT, "numbers.txt", tmp_path))
    break_disk(monkeypatch, "fsync", errno.ENOSPC)
    run.stop()
    assert run.wait("failed", timeout=20)
    state, message = trainings.state_of(run.folder)
    assert state == "failed" and "No space left on device" in message and "Make room" in message
    assert run.folder.status().state == "interrupted"


def test_a_line_that_was_cut_short_takes_no_other_with_it(tmp_path):
    folder = new_run(tmp_path / "runs")
    folder.append_sample({"text": "first"})
    with (folder.path / "samples.jsonl").open("ab") as file:
        file.write(b'{"text": "cut sh')
    folder.append_sample({"text": "second"})
    assert [sample["text"] for sample in folder.samples()] == ["first", "second"]


def test_a_file_with_another_name_outside_is_not_appended_to(tmp_path):
    folder = new_run(tmp_path / "runs")
    folder.append_sample({"text": "first"})
    outside = tmp_path / "outside"
    os.link(folder.path / "samples.jsonl", outside)
    before = outside.read_bytes()
    folder.append_sample({"text": "second"})
    assert outside.read_bytes() == before
    assert [sample["text"] for sample in folder.samples()] == ["first", "second"]
    assert regular_files.is_regular(folder.path / "samples.jsonl")


def test_a_disk_that_is_really_full(tmp_path):
    """In a mount namespace of its own, on a file system in memory of one megabyte."""
    may_mount = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
    if shutil.which("unshare") is None or subprocess.run(may_mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system in a namespace")
    (tmp_path / "small").mkdir()
    command = [sys.executable, "-m", "llm.cli", *WORDS, "--d-model", "64", "--steps", "500"]
    command += ["--checkpoints-dir", "small/runs"]
    script = 'mount -t tmpfs -o size=1m tmpfs small && { "$@"; code=$?; cp -a small/runs copied; exit $code; }'
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *command], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert "No space left on device" in ended.stderr and "is safe. Make room, then continue with" in ended.stderr
    (run,) = list_runs("copied")
    assert run.state in ("failed", "interrupted")
    newest = RunFolder(run.path).snapshots()[-1]
    assert f"The snapshot of step {newest} is safe" in ended.stderr
    assert load_run(run.path, newest).step == newest
    assert not list(run.path.glob(f"{files.TEMPORARY}*"))
    assert json.loads((run.path / "status.json").read_bytes())["step"] >= newest
