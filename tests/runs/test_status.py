import json
import math
import os
import pickle

import pytest
from run_folders import in_a_child, new_run

from llm.runs.listing import list_runs


@pytest.mark.parametrize("state", ["running", "paused", "finished", "stopped", "failed"])
def test_a_run_whose_process_is_gone_reads_as_interrupted_if_it_was_under_way(tmp_path, state):
    folder = new_run(tmp_path)
    folder.write_status(state, "why", 7)
    assert (folder.status().state, folder.status().message) == (state, "why")
    in_a_child(lambda: folder.write_status(state, "why", 8))
    status = folder.status()
    assert status.step == 8
    if state in ("running", "paused"):
        assert status.state == "interrupted"
        assert "can be resumed" in status.message
    else:
        assert (status.state, status.message) == (state, "why")


def test_a_process_of_somebody_else_is_alive(tmp_path, monkeypatch):
    folder = new_run(tmp_path)

    def forbidden(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    assert folder.status().state == "running"


STATUS = {"state": "running", "message": "", "step": 1, "pid": 1, "updated": 0.0}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, pickle.dumps(STATUS)),
        *(json.dumps(STATUS | {field: "x"}).encode() for field in ("step", "pid", "updated")),
        *(json.dumps(STATUS | {field: [1]}).encode() for field in ("step", "pid", "updated")),
        json.dumps(STATUS | {"step": math.inf}).encode(),
    ],
)
def test_a_garbled_status_is_unknown(tmp_path, content):
    folder = new_run(tmp_path)
    (folder.path / "status.json").write_bytes(content)
    assert folder.status().state == "unknown"
    assert list_runs(tmp_path)[0].state == "unknown"
    (folder.path / "status.json").unlink()
    assert folder.status().state == "unknown"


@pytest.mark.parametrize("pid", [10**30, 10**9, 0, -1])
def test_no_process_has_an_impossible_number(tmp_path, pid):
    folder = new_run(tmp_path)
    (folder.path / "status.json").write_text(json.dumps(STATUS | {"pid": pid}))
    assert folder.status().state == "interrupted"
