"""Edited code runs in a separate process that contains its errors, loops and memory use, and reports its changes."""

import json
import select
import subprocess
import sys
from pathlib import Path

import pytest

from llm import TrainingConfig, preset
from llm.trace.forward_pass import PACKAGE
from llm.trace.sandbox import LineMessage, Trial, forward_source, read_trial, request_of, try_edit
from llm.trace.sandbox_worker import AT_THE_WALL
from llm.trace.sessions import open_session
from llm.training.setup import start_run

pytestmark = pytest.mark.slow

TEXT = "The hen sat on the gate.\nThe fox sat under it & waited.\n\n" * 60
PROMPT = "The hen sat"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    config = preset("gpt", d_vocab=1, d_model=16, n_layers=2, n_heads=2, n_ctx=32)
    training = TrainingConfig(steps=40, batch_size=8, eval_every=40, eval_windows=2, sample_tokens=0, device="cpu")
    trainer = start_run(config, training, "char", TEXT, "hens.txt", tmp_path_factory.mktemp("home"))
    for _ in trainer:
        pass
    return trainer.folder.path


@pytest.fixture(scope="module")
def trace(run):
    return open_session(run, None, PROMPT).trace("blocks.0.attention", "einops")


def attempt(run, trace, old: str, new: str, **limits):
    code = forward_source(trace)
    assert old in code
    return try_edit(run, None, PROMPT, trace, code.replace(old, new, 1), **limits)


def test_unedited_code_changes_nothing(run, trace):
    trial = attempt(run, trace, "query", "query")
    assert trial.error is None and trial.first_change is None and trial.wrong_shapes == ()
    assert (
        trial.loss_after
        == trial.loss_before
        == pytest.approx(open_session(run, None, PROMPT).text.forward_pass.loss, 1e-5)
    )


def test_a_forgotten_mask_changes_scores_and_loss(run, trace):
    trial = attempt(run, trace, "scores.masked_fill(hidden, -torch.inf)", "scores")
    assert trial.error is None and trial.loss_after != trial.loss_before
    changed = forward_source(trace).split("\n")[trial.first_change.line - 1]
    assert "masked_fill" in changed and trial.first_change.text.startswith("scores has changed")


def test_swapped_axes_are_reported_with_their_line(run, trace):
    trial = attempt(run, trace, "-> batch head pos d_head", "-> batch head d_head pos")
    assert trial.first_change.text == "query was [1, 2, 11, 8] and is now [1, 2, 8, 11]"
    assert trial.first_change.line == trial.wrong_shapes[0].line
    assert "states [batch, head, pos, d_head]" in trial.wrong_shapes[0].text
    assert trial.error is not None and trial.loss_after is None
    assert forward_source(trace).split("\n")[trial.error_line - 1] != ""


@pytest.mark.parametrize(
    ("new", "error"),
    [
        ("query = = einsum(", "SyntaxError"),
        ("raise SystemExit(3); query = einsum(", "SystemExit"),
        ("import os; os._exit(7); query = einsum(", "The process ended without a result"),
        ("query = torch.zeros(2**40); query = einsum(", "RuntimeError"),
    ],
)
def test_errors_are_reported_and_stay_in_the_process(run, trace, new, error):
    trial = attempt(run, trace, "query = einsum(", new)
    assert error in trial.error, trial
    assert trial.loss_after is None and trial.loss_before is not None
    if "_exit" in new:
        return  # the process could not report the line
    assert trial.error_line == next(
        i for i, line in enumerate(forward_source(trace).split("\n"), 1) if "query = einsum(" in line
    )


def test_an_endless_loop_is_stopped(run, trace):
    endless = "import time\n    while True: time.sleep(0.01)\n    query = einsum("  # at rest: others need the core
    trial = attempt(run, trace, "query = einsum(", endless, seconds=6)
    assert trial.error == "It did not finish within 6 seconds and was stopped" and trial.loss_after is None


ATTACKS = {
    "read": "open('/etc/passwd')",
    "environment": "open(f'/proc/{os.getppid()}/environ')",
    "write": "open(folder + '/written', 'w')",
    "unlink": "os.unlink(folder + '/secret')",
    "FIFO": "os.mkfifo('result.json')",
    "network": "socket.socket()",
    "process": "os.fork() or os._exit(0)",
    "program": "os.posix_spawn('/bin/true', ['true'], {})",
    "thread": "threading.Thread(target=int).start()",
    "signal": "os.kill(os.getppid(), 0)",
    "C": "ctypes.CDLL(None).open(b'/etc/passwd', 0) + 1 or nothing_was_opened",
}


@pytest.mark.skipif(sys.platform != "linux", reason="the wall is one of Linux")
def test_edited_code_is_behind_the_wall(run, trace, tmp_path):
    """Everything that it tries is denied. The error names what was not, and then shows the sentence for what was."""
    (tmp_path / "secret").write_text("secret")
    code = f"""
    import ctypes, os, socket, threading
    folder, passed = {str(tmp_path)!r}, []
    for name, attack in {ATTACKS!r}.items():
        try:
            eval(attack)
            passed.append(name)
        except (OSError, RuntimeError, NameError):
            pass
    assert not passed, passed
    open('/etc/passwd')
    query = einsum("""
    trial = attempt(run, trace, "query = einsum(", code.strip())
    assert trial.error == f"{AT_THE_WALL}. PermissionError: [Errno 1] Operation not permitted: '/etc/passwd'"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.skipif(sys.platform != "linux", reason="the wall is one of Linux")
def test_what_floods_the_output_is_stopped(run, trace):
    """Edited code can write to the pipe that carries the result; only so much of it is read."""
    flood = "import os\n    while True: os.write(3, bytes(2**20))\n    query = einsum("
    trial = attempt(run, trace, "query = einsum(", flood)
    assert trial.error == "It wrote too much and was stopped" and trial.loss_before is not None


@pytest.mark.skipif(sys.platform != "linux", reason="the wall is one of Linux")
def test_the_worker_ends_with_the_server(run, trace):
    """A process starts the worker, on code that takes a minute, as the server does, and is killed."""
    request = request_of(run, None, PROMPT, trace, "def forward(self, *_):\n    import time; time.sleep(60)")
    server = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'llm.trace.sandbox_worker'])"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", server], cwd=PACKAGE.parent, **pipes) as process:
        process.stdin.write(request)
        process.stdin.close()
        assert process.stdout.readline().startswith(b'{"loss_before"')  # what follows is the edited code
        process.kill()
        ended, _, _ = select.select([process.stdout], [], [], 30)  # the end of the worker closes the pipe
        assert ended and process.stdout.read() == b""


RESULT = {"loss_after": 2.0, "error": None, "error_line": None, "wrong_shapes": [], "first_change": None}


def test_a_result_is_read_as_data():
    change = {"line": 3, "text": "q has changed"}
    output = json.dumps({"loss_before": 1.0}) + "\n" + json.dumps(RESULT | {"first_change": change})
    assert read_trial(output.encode()) == Trial(1.0, 2.0, first_change=LineMessage(3, "q has changed"))
    output = json.dumps({"loss_before": 1.0}) + "\n" + json.dumps(RESULT | {"error": "\ud800" + "x" * 9999})
    assert read_trial(output.encode()) == Trial(1.0, 2.0, error="?" + "x" * 499)


NO_RESULTS = [
    b"", b"\xff", b"1", b"[" * 100_000, b"{}", b"1" * 5000, json.dumps(RESULT).encode() * 2,
    *(json.dumps(RESULT | wrong).encode() for wrong in (
        {"loss_after": "2"}, {"loss_after": True}, {"loss_after": 10**400}, {"error": 1}, {"error_line": 0},
        {"error_line": 10**9}, {"error_line": 1.5}, {"wrong_shapes": {}}, {"wrong_shapes": [1]},
        {"wrong_shapes": [{"line": 1}]}, {"first_change": {"line": 1, "text": None}},
    )),
]  # fmt: skip


def test_what_is_no_result_is_reported():
    for rest in NO_RESULTS:
        trial = read_trial(b'{"loss_before": 1.0}\n' + rest)
        assert trial == Trial(1.0, None, "The process ended without a result"), rest[:80]


def test_code_that_is_too_long_is_rejected(run, trace):
    with pytest.raises(ValueError, match="at most 20,000 characters, got 30,000"):
        try_edit(run, None, PROMPT, trace, "#" * 30_000)
