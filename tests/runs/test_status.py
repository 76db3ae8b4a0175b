import json
import math
import os
import pickle

import pytest
from run_folders import in_a_child_process, new_run

from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs


@pytest.mark.parametrize("state", ["running", "paused", "finished", "stopped", "failed"])
def test_a_run_whose_process_is_gone_reads_as_interrupted_if_it_was_under_way(tmp_path, state):
    folder = new_run(tmp_path)
    folder.write_status(state, "why", 7)
    assert (folder.status().state, folder.status().message) == (state, "why")
    in_a_child_process(lambda: new_run(tmp_path / "killed").write_status(state, "why", 8))
    (run,) = list_runs(tmp_path / "killed")
    status = RunFolder(run.path).status()
    assert status.step == 8
    if state in ("running", "paused"):
        assert run.state == status.state == "interrupted"
        assert "can be resumed" in status.message
    else:
        assert (status.state, status.message) == (state, "why")


@pytest.mark.parametrize("pid", [1, os.getpid(), os.getppid()], ids=["init", "this process", "its parent"])
def test_a_killed_run_is_interrupted_whoever_has_its_process_id_now(tmp_path, pid):
    in_a_child_process(lambda: new_run(tmp_path))
    folder = RunFolder(list_runs(tmp_path)[0].path)
    for file in ("status.json", "training.lock"):
        content = (folder.path / file).read_text()
        (folder.path / file).write_text(content.replace(str(folder.status().pid), str(pid)))
    assert (folder.status().state, folder.status().pid) == ("interrupted", pid)
    folder.lock()
    assert RunFolder(folder.path).status().state == "running"


STATUS = {"state": "running", "message": "", "step": 1, "pid": 1, "updated": 0.0}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, pickle.dumps(STATUS)),
        *(json.dumps(STATUS | {field: "x"}).encode() for field in ("step", "pid", "updated")),
        *(json.dumps(STATUS | {field: [1]}).encode() for field in ("step", "pid", "updated")),
        *(
            json.dumps(STATUS | {"state": state}).encode()
            for state in ("![](http://a/b)", "Running", "", [1], {}, None)
        ),
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
    folder.unlock()
    (folder.path / "status.json").write_text(json.dumps(STATUS | {"pid": pid}))
    assert folder.status().state == "interrupted"
