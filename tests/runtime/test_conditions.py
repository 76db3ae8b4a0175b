"""What a run's last bits depend on is recorded, and a difference is named."""

import dataclasses
import os
import platform
import subprocess

import pytest
import torch

from llm.runtime.code_version import code_version
from llm.runtime.conditions import changed_conditions, current_conditions


@pytest.fixture
def here():
    return current_conditions(torch.device("cpu"), torch.float32)


def git(folder, *arguments):
    identity = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env=os.environ | identity)


def test_conditions_are_those_of_this_process(here):
    assert here.device == "cpu"
    assert here.accelerator is None
    assert here.precision == "float32"
    assert here.threads == torch.get_num_threads()
    assert here.interop_threads == torch.get_num_interop_threads()
    assert here.capability == torch.backends.cpu.get_cpu_capability()
    assert here.versions["torch"] == torch.__version__
    assert here.versions["python"] == platform.python_version()
    assert {"llm", "numpy", "safetensors", "sentencepiece"} <= here.versions.keys()
    assert all([here.processor, here.system, *here.versions.values()])


def test_each_condition_that_matters_is_compared(here):
    same = dataclasses.asdict(here)

    def changes(then: dict, code: object = None) -> list[str]:
        after = {"conditions": same, "code": {"commit": "ab" * 20, "uncommitted_changes": False}}
        return changed_conditions({"conditions": then, "code": code}, after, "here")

    assert changes(same) == changes(same | {"interop_threads": 99}) == []
    for name in same.keys() - {"interop_threads", "versions"}:
        assert changes(same | {name: "other"}) == [f"{name} other, here {same[name]}"]
    versions = {"versions": same["versions"] | {"torch": "1.0"}}
    assert changes(same | versions) == [f"torch 1.0, here {torch.__version__}"]
    assert changes(same, {"commit": "cd" * 20}) == ["commit cdcdcdcdcdcd, here abababababab"]
    changed = {"commit": "ab" * 20, "uncommitted_changes": True}
    assert changes(same, changed) == ["commit abababababab with changes, here abababababab"]


@pytest.mark.parametrize("recorded", [None, [], {}, {"versions": 3}, {"unknown": [1]}])
def test_what_was_not_recorded_is_not_compared(here, recorded):
    now = {"conditions": dataclasses.asdict(here), "code": None}
    assert changed_conditions({"conditions": recorded, "code": recorded}, now, "here") == []
    assert changed_conditions({}, now, "here") == []


def test_the_commit_of_a_checkout_and_whether_it_was_changed(tmp_path, monkeypatch):
    git(tmp_path, "init")
    assert code_version(tmp_path) is None  # without a commit
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))  # as a git hook sets it
    found = code_version(tmp_path)
    assert len(found["commit"]) == 40
    assert found["uncommitted_changes"] is False
    (tmp_path / "training.txt").write_text("not tracked\n")
    assert code_version(tmp_path) == found
    (tmp_path / "code.py").write_text("2\n")
    assert code_version(tmp_path) == found | {"uncommitted_changes": True}


def test_no_commit_outside_a_checkout_of_the_project_or_without_git(tmp_path, monkeypatch):
    assert code_version(tmp_path) is None
    git(tmp_path, "init")
    (tmp_path / "installed").mkdir()
    assert code_version(tmp_path / "installed") is None  # the repository is another project's
    monkeypatch.setenv("PATH", "")
    assert code_version(tmp_path) is None
