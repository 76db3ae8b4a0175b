import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from run_folders import names

from llm.runtime.files import TEMPORARY, remove_folder, write_bytes, write_folder, write_json


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_json(path, {"step": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"step": 2})
    assert json.loads(path.read_bytes()) == {"step": 1}
    assert names(tmp_path) == {"status.json"}


@pytest.mark.parametrize("there_before", [True, False])
@pytest.mark.parametrize("failing", ["fill", "fsync", "rename"])
def test_a_folder_that_fails_to_be_written_leaves_the_old_one_and_nothing_else(
    tmp_path, monkeypatch, there_before, failing
):
    path = tmp_path / "step_000001"
    if there_before:
        write_folder(path, lambda folder: (folder / "model").write_text("old"))

    def fill(folder: Path) -> None:
        (folder / "model").write_text("new")
        if failing == "fill":
            raise OSError("no space left")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    rename = Path.rename

    def rename_but_the_new(path: Path, target: Path) -> None:
        if path.name.startswith(".writing") and not path.name.endswith("replaced"):
            fail()
        rename(path, target)

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif failing == "rename":
        monkeypatch.setattr(Path, "rename", rename_but_the_new)
    with pytest.raises(OSError, match="no space left"):
        write_folder(path, fill)
    assert names(tmp_path) == ({"step_000001"} if there_before else set())
    if there_before:
        assert (path / "model").read_text() == "old"


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "step_000001"
    write_folder(path, lambda folder: [(folder / name).write_text("old") for name in ("model", "trainer")])
    write_folder(path, lambda folder: (folder / "model").write_text("new"))
    assert names(tmp_path) == {"step_000001"}
    assert names(path) == {"model"}
    assert (path / "model").read_text() == "new"


def test_threads_that_write_one_file_never_mix_their_contents(tmp_path):
    path = tmp_path / "status.json"
    contents = [bytes([letter]) * 300_000 for letter in b"abcd"]
    write_bytes(path, contents[0])
    seen = set()

    def write(content: bytes) -> None:
        for _ in range(10):
            write_bytes(path, content)
            seen.add(path.read_bytes())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, contents))
    assert seen <= set(contents)
    assert names(tmp_path) == {"status.json"}


def operations(monkeypatch) -> list[str]:
    """The names of the files and folders that are synced or renamed from now on, in their order."""
    seen: list[str] = []
    sync, rename, replace = os.fsync, Path.rename, Path.replace

    def path_of(descriptor: int) -> str:
        return Path(f"/proc/self/fd/{descriptor}").readlink().name.removeprefix(TEMPORARY).split("-")[0]

    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(f"sync {path_of(descriptor)}") or sync(descriptor))
    monkeypatch.setattr(Path, "rename", lambda path, to: seen.append(f"name {to.name}") or rename(path, to))
    monkeypatch.setattr(Path, "replace", lambda path, to: seen.append(f"name {to.name}") or replace(path, to))
    return seen


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells which file a descriptor is")
def test_a_power_failure_finds_content_on_the_disk_before_its_name(tmp_path, monkeypatch):
    """A file gets its name once its content is synced, then the folder with the name is synced."""
    seen = operations(monkeypatch)
    write_bytes(tmp_path / "status.json", b"{}")
    assert seen == ["sync status.json", "name status.json", f"sync {tmp_path.name}"]
    seen.clear()
    write_folder(tmp_path / "step_000001", lambda folder: [(folder / name).write_text("a") for name in ("b", "c")])
    assert sorted(seen[:2]) == ["sync b", "sync c"]
    assert seen[2:] == ["sync step_000001", "name step_000001", f"sync {tmp_path.name}"]


def test_a_folder_loses_its_name_before_its_files(tmp_path, monkeypatch):
    write_folder(tmp_path / "step_000001", lambda folder: (folder / "model").write_text("a"))
    monkeypatch.setattr("llm.runtime.files.remove_if_possible", lambda path: None)  # killed right then
    remove_folder(tmp_path / "step_000001")
    [left] = tmp_path.iterdir()
    assert left.name.startswith(TEMPORARY) and (left / "model").read_text() == "a"
