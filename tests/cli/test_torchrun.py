"""Processes that torchrun really starts: one is killed, all are stopped, a batch cannot be shared."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import TINY

from llm.checkpoints import RunFolder, list_runs

pytestmark = pytest.mark.soak


def torchrun(*words: str, options: tuple[str, ...] = ()) -> subprocess.Popen:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options]
    command = [*launcher, "-m", "llm.cli", "train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, *words]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for_step(step: int) -> RunFolder:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for run in list_runs():
            folder = RunFolder(run.path)
            if any(row["step"] >= step for row in folder.read_metrics().rows):
                return folder
        time.sleep(0.2)
    raise AssertionError("training has not come so far")


def workers(launcher: subprocess.Popen) -> list[int]:
    """The launcher's processes, by rank."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if int((path.parent / "stat").read_text().rsplit(")", 1)[1].split()[1]) == launcher.pid:
                names = dict(entry.split("=", 1) for entry in path.read_text().split("\0") if "=" in entry)
                found[int(names["RANK"])] = int(path.parent.name)
        except (OSError, KeyError):
            continue
    return [found[rank] for rank in sorted(found)]


@pytest.mark.parametrize("sharding", ["off", "full"])
def test_a_killed_process_is_started_again_and_the_run_goes_on(sharding):
    flags = ("--steps", "400", "--eval-every", "100", "--sharding", sharding)
    launcher = torchrun(*flags, options=("--max-restarts", "1"))
    folder = wait_for_step(40)
    os.kill(workers(launcher)[1], signal.SIGKILL)
    shown, errors = launcher.communicate(timeout=240)
    assert launcher.returncode == 0, errors
    [run] = list_runs()
    assert (run.path, run.state, run.step) == (folder.path, "finished", 400)
    assert [row["step"] for row in folder.read_metrics().rows] == list(range(401))
    assert shown.count("Finished") == 1


def test_a_killed_process_ends_the_others_with_one_sentence():
    launcher = torchrun("--steps", "100000")
    folder = wait_for_step(40)
    os.kill(workers(launcher)[1], signal.SIGKILL)
    _, errors = launcher.communicate(timeout=240)
    assert launcher.returncode == 1
    assert errors.count("llm: another process of this training ended in step") == 1
    assert list_runs()[0].state == "interrupted" and folder.snapshots()[-1] >= 32


@pytest.mark.parametrize("sharding", ["off", "full"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_torchrun_stops_all_after_one_step_with_a_snapshot(number, sharding):
    launcher = torchrun("--steps", "100000", "--sharding", sharding)
    folder = wait_for_step(40)
    launcher.send_signal(number)
    shown, _ = launcher.communicate(timeout=240)
    [run] = list_runs()
    assert run.state == "stopped" and folder.snapshots()[-1] == run.step
    assert shown.count("Stopped at step") == 1


def test_a_batch_that_the_processes_cannot_share_is_refused_once():
    launcher = torchrun("--batch-size", "3")
    _, errors = launcher.communicate(timeout=240)
    assert errors.count("llm: batch_size must be divisible by the number of processes, 2") == 1
    assert "exitcode  : 2" in errors
    assert list_runs() == []
