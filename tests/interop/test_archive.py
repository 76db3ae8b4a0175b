"""A run as one zip file: it works elsewhere, and an archive from anybody harms nothing."""

import dataclasses
import io
import os
import random
import shutil
import struct
import subprocess
import sys
import time
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from llm import SamplingConfig, TrainingConfig, preset
from llm.background import trainings
from llm.checkpoints import RunFolder, list_runs, load_run
from llm.cli import main
from llm.interop.archive import ArchiveError, read_archive, write_archive
from llm.interop.importing import import_run
from llm.runs.ids import moment_of
from llm.sampling import generate
from llm.training.new_run import NewRun
from llm.training.setup import resume_run, start_run

TEXT = "The hen sat on the gate, and the fox saw her.\n" * 60
MODEL = preset("llama", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=16)
TRAINING = TrainingConfig(steps=4, batch_size=2, eval_every=2, eval_windows=2, sample_tokens=2, device="cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    """A run that was stopped after three of four steps, and has been evaluated."""
    trainer = start_run(MODEL, TRAINING, "char", TEXT, "hens.txt", tmp_path_factory.mktemp("here"))
    for _ in range(4):
        next(trainer)
    trainer.snapshot("stopped")
    trainer.folder.append_sample({"step": 1, "prompt": "", "text": "a", "sampling": {}, "created": 1.0})
    return trainer.folder


def archive_of(run: RunFolder, **options: bool) -> io.BytesIO:
    packed = io.BytesIO()
    write_archive(run, packed, **options)
    return packed


def files_of(folder: Path) -> dict[str, bytes]:
    names = [file for file in folder.rglob("*") if file.is_file() and file.name != "training.lock"]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in names}


def test_an_unpacked_run_is_the_same_and_trains_on(run, tmp_path):
    there = read_archive(archive_of(run, snapshots=True, text=True), tmp_path)
    assert there.path == tmp_path / run.id
    assert files_of(there.path) == files_of(run.path)
    trainer = resume_run(there.path)
    for _ in trainer:
        pass
    assert trainer.finished and list_runs(tmp_path)[0].state == "finished"


def test_without_snapshots_and_text_it_still_writes_the_same_text(run, tmp_path):
    there = read_archive(archive_of(run), tmp_path)
    assert "text.txt" not in files_of(there.path) and not there.snapshots()
    texts = [
        generate(one.model, one.tokenizer, "The", SamplingConfig(max_new_tokens=20, seed=0))
        for one in (load_run(run.path), load_run(there.path))
    ]
    assert texts[0] == texts[1]
    assert there.samples() == run.samples() and there.read_metrics().rows == run.read_metrics().rows


def test_its_script_writes_as_its_readme_says(run, tmp_path):
    zipfile.ZipFile(archive_of(run)).extractall(tmp_path)
    folder = tmp_path / run.id
    [command] = [line.split() for line in (folder / "README.md").read_text().splitlines() if "model.py" in line]
    assert command[:3] == ["python", "model.py", "."]
    words = [sys.executable, "model.py", ".", "The hen", "--tokens", "5"]
    written = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert written.startswith("The hen") and len(written) == len("The hen") + 5 + 1


def test_an_id_that_is_taken_becomes_the_next_second(run, tmp_path):
    first, second = (read_archive(archive_of(run), tmp_path) for _ in range(2))
    assert first.id == run.id and moment_of(second.id) == moment_of(first.id) + timedelta(seconds=1)
    changed = {name for name in files_of(second.path) if files_of(second.path)[name] != files_of(first.path).get(name)}
    assert changed == {"config.json", "notes.json"}
    assert "imported" in second.notes().tags and "imported" not in first.notes().tags
    again = read_archive(archive_of(second), tmp_path)
    began = {found.id: found.created for found in list_runs(tmp_path)}
    assert began[first.id] == began[second.id] == began[again.id] == moment_of(run.id)  # no other time is invented
    assert len({found.label for found in list_runs(tmp_path)}) == 3 and again.notes().tags.count("imported") == 1


def repacked(run: RunFolder, change) -> io.BytesIO:
    """The archive with its entries changed by `change`, which gets them as a dict of content by name."""
    source = zipfile.ZipFile(archive_of(run, snapshots=True, text=True))
    entries = {entry.filename: source.read(entry) for entry in source.infolist()}
    change(entries)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return packed


OTHER = "20200101000000"
HOSTILE = {
    "a path outside": lambda entries, run: entries.update({f"{run}/../outside": b""}),
    "a file in place of the run's folder": lambda entries, run: entries.update({run: b""}),
    "an absolute path": lambda entries, run: entries.update({"/etc/outside": b""}),
    "a path in another run": lambda entries, run: entries.update({f"{OTHER}/config.json": b"{}"}),
    "an unknown file": lambda entries, run: entries.update({f"{run}/run.sh": b""}),
    "a hidden file": lambda entries, run: entries.update({f"{run}/.writing-1": b""}),
    "a file in an unknown folder": lambda entries, run: entries.update({f"{run}/step_1/model.safetensors": b""}),
    "a snapshot's unknown file": lambda entries, run: entries.update({f"{run}/step_000001/a.py": b""}),
    "no config": lambda entries, run: entries.pop(f"{run}/config.json"),
    "no tokenizer": lambda entries, run: entries.pop(f"{run}/tokenizer.json"),
    "no weights": lambda entries, run: [entries.pop(name) for name in list(entries) if name.endswith(".safetensors")],
    "a config that is none": lambda entries, run: entries.update({f"{run}/config.json": b"{}"}),
    "too little for its size": lambda entries, run: entries.update({f"{run}/text.txt": bytes(200_000_000)}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_in_a_sentence_and_leaves_nothing(run, tmp_path, name):
    packed = repacked(run, lambda entries: HOSTILE[name](entries, run.id))
    with pytest.raises(ArchiveError) as error:
        read_archive(packed, tmp_path / "checkpoints")
    assert "\n" not in str(error.value) and str(tmp_path) not in str(error.value) and len(str(error.value)) < 400
    assert list(tmp_path.rglob("*")) == [tmp_path / "checkpoints"]


@pytest.mark.parametrize("read", [read_archive, import_run])
def test_a_list_of_too_many_entries_is_not_read(tmp_path, read):
    """Entries of 72 bytes, which lead to nothing: the objects that stand for them would take ten times as much."""
    name = b"20260131120000/config.json"
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, *[0] * 8, len(name), *[0] * 6) + name
    count = 2**20 // len(entry) + 1
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, count * len(entry), 0)
    end += struct.pack("<4sLQL", b"PK\6\7", 0, count * len(entry), 1)
    end += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    with pytest.raises(ArchiveError, match="lists more entries than a run"):
        read(io.BytesIO(entry * count + end), tmp_path)


def test_a_link_in_an_archive_becomes_no_link(run, tmp_path):
    packed = archive_of(run)
    with zipfile.ZipFile(packed, "a") as archive:
        entry = zipfile.ZipInfo(f"{run.id}/text.txt")
        entry.external_attr = 0o120777 << 16  # a symbolic link on Unix
        archive.writestr(entry, "/etc/passwd")
    there = read_archive(packed, tmp_path)
    assert (there.path / "text.txt").read_text() == "/etc/passwd" and not (there.path / "text.txt").is_symlink()


def test_changed_bytes_are_refused_or_read_and_never_left_half(run, tmp_path):
    intact = archive_of(run).getvalue()
    for seed in range(150):
        choose = random.Random(seed)
        content = bytearray(intact)
        tail = len(content) - choose.choice([1, 60, 1_000, len(content)])
        for _ in range(choose.randint(1, 4)):
            content[choose.randrange(max(tail, 0), len(content))] = choose.randrange(256)
        try:
            there = read_archive(io.BytesIO(content), tmp_path)
        except ArchiveError:
            assert list(tmp_path.iterdir()) == []
        else:
            assert [path.name for path in tmp_path.iterdir()] == [there.id]
            shutil.rmtree(there.path)


def test_what_a_killed_import_left_is_removed_an_hour_later(run, tmp_path):
    left = tmp_path / ".writing-20260131120000-12-34"
    (left / "step_000001").mkdir(parents=True)
    read_archive(archive_of(run), tmp_path)
    assert left.exists()
    an_hour_ago = time.time() - 3601
    os.utime(left, (an_hour_ago, an_hour_ago))
    read_archive(archive_of(run), tmp_path)
    assert not left.exists()


def test_a_run_in_training_can_be_exported(tmp_path):
    endless = dataclasses.replace(TRAINING, steps=100_000)
    running = trainings.start(NewRun(MODEL, endless, "char", TEXT, "hens.txt", tmp_path / "here"))
    for _ in range(3):
        running.step_once()
        assert running.wait("paused")
    there = read_archive(archive_of(running.folder, snapshots=True, text=True), tmp_path / "there")
    assert list_runs(tmp_path / "there")[0].state == "interrupted" and there.snapshots() == running.folder.snapshots()
    running.stop()
    running.wait("stopped")


def test_the_command_line_exports_and_imports(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(run.path)]) == 0
    assert main(["import", f"{run.id}.zip"]) == 0
    assert [found.id for found in list_runs()] == [run.id]
    assert f"uv run llm infer --checkpoint {Path('checkpoints') / run.id}" in capsys.readouterr().out
    for words in (
        ["export", "nowhere"],
        ["import", "nowhere.zip"],
        ["export"],
        ["import", __file__],
        ["import", "/dev/zero"],
    ):
        assert main(words) == 2
        sentence = capsys.readouterr().err
        assert sentence.startswith("llm: ") and sentence.count("\n") == 1
    Path("linked.zip").symlink_to(f"{run.id}.zip")
    assert main(["export", str(run.path), "--output", "linked.zip"]) == 2
