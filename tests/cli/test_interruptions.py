"""Signals, closed terminals and pipes, and a run in another process: a training keeps its steps."""

import os
import signal
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from command_line import TINY, in_a_process, said_by

from llm.checkpoints import RunFolder, list_runs
from llm.cli import main
from llm.cli.signals import StopSignals
from llm.cli.terminal import TrainingView
from llm.runtime.process import STOP_SIGNALS


def test_a_run_in_another_process_is_not_resumed(capsys):
    training = in_a_process("train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, "--steps", "100000")
    assert any(line.startswith("step 0 ") for line in training.stdout)
    (run,) = list_runs()
    assert run.state == "running"
    sentence = said_by(capsys, ["train", "--resume", run.id], 2)
    assert f"is being trained in another process (pid {training.pid}): stop it there" in sentence
    assert main(["infer", "--checkpoint", run.id, "--max-new-tokens", "2"]) == 0  # reading is allowed
    training.kill()
    training.communicate()
    assert list_runs()[0].state == "interrupted"


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal():
    """Whoever started the tests by nohup, or in the background, left some signals ignored: not here."""
    ignored = [number for number in STOP_SIGNALS if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


NO_STOP = {"SIGKILL", "SIGSTOP", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGWINCH"}
FAULTS = {"SIGILL", "SIGTRAP", "SIGABRT", "SIGIOT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS"}
IGNORED_BY_PYTHON = {"SIGPIPE", "SIGXFSZ"}


def test_every_signal_that_would_end_a_training_is_caught():
    left_alone = {getattr(signal, name, None) for name in NO_STOP | FAULTS | IGNORED_BY_PYTHON}
    assert set(STOP_SIGNALS) == signal.valid_signals() - left_alone


@pytest.mark.parametrize("number", [number for number in STOP_SIGNALS if number <= signal.SIGRTMIN])  # one real-time
def test_a_signal_stops_after_the_step_with_a_snapshot(number, monkeypatch, capsys):
    monkeypatch.setattr(TrainingView, "step", lambda _, metrics: metrics.step == 3 and signal.raise_signal(number))
    handlers = signal.getsignal(number)
    code = 128 + number
    assert main(["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, "--steps", "60"]) == code
    run = list_runs()[0]
    assert (run.state, run.step, RunFolder(run.path).snapshots()[-1]) == ("stopped", 3, 3)
    assert f"uv run llm train --resume {run.path}" in capsys.readouterr().out
    assert signal.getsignal(number) == handlers


@pytest.mark.parametrize("package", ["tyro", "torch"])
def test_ctrl_c_while_packages_are_imported_is_quiet(package):
    code = f"""if True:
        import runpy, signal, sys
        class Interrupted:
            def find_spec(self, name, path=None, target=None):
                if name == {package!r}:
                    try:
                        signal.raise_signal(signal.SIGINT)
                    except BaseException:  # as numpy and torch do in places
                        raise ImportError("half imported") from None
        sys.meta_path.insert(0, Interrupted())
        sys.argv = ["llm", "train", "--data", "foxes.txt"]
        runpy.run_module("llm.cli", run_name="__main__")
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_ctrl_c_while_the_handling_of_it_is_imported_is_quiet():
    code = """if True:
        import sys
        class Interrupted:
            def find_spec(self, name, path=None, target=None):
                if name == "signal":
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Interrupted())
        import llm.cli
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_ctrl_c_and_resume_end_with_the_weights_of_a_run_that_was_left_alone():
    words = ["--data", "foxes.txt", "--tokenizer", "char", *TINY, "--steps", "60", "--dropout", "0.1"]
    words += ["--eval-every", "10", "--sample-tokens", "0"]
    process = in_a_process("train", *words, "--checkpoints-dir", "stopped")
    assert any(line.startswith("step 10 ") for line in process.stdout)
    process.send_signal(signal.SIGINT)
    shown, errors = process.communicate()
    assert (process.returncode, errors) == (130, "")
    (run,) = list_runs("stopped")
    assert run.state == "stopped" and 10 <= run.step < 60
    assert f"uv run llm train --resume {run.path}" in shown

    assert main(["train", "--resume", str(run.path)]) == 0
    assert main(["train", *words, "--checkpoints-dir", "alone"]) == 0
    (alone,) = list_runs("alone")
    resumed, undisturbed = (safetensors.torch.load_file(r.path / "final_model.safetensors") for r in (run, alone))
    assert resumed.keys() == undisturbed.keys()
    assert all(torch.equal(resumed[name], undisturbed[name]) for name in resumed)


def test_a_closed_terminal_keeps_a_snapshot():
    ours, theirs = os.openpty()
    words = ["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, "--steps", "100000"]
    command = [sys.executable, "-m", "llm.cli", *words]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        shown = b""
        while b"validation" not in shown:
            shown += os.read(ours, 10_000)
        os.close(ours)  # what is printed now fails
        process.send_signal(signal.SIGHUP)
        assert process.wait() == 129
    (run,) = list_runs()
    assert run.state == "stopped" and RunFolder(run.path).snapshots()[-1] == run.step


def test_nohup_outlives_its_terminal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert stop.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_ends_at_once():
    code = (
        "import signal; from llm.cli.signals import StopSignals\n"
        "with StopSignals() as stop:\n"
        "    signal.raise_signal(2); print(stop.received, flush=True); signal.raise_signal(2); print('never')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "2\n", "")


def test_a_closed_pipe_ends_quietly(trained):
    process = in_a_process("infer", "--checkpoint", str(trained), "--max-new-tokens", "100000")
    assert process.stdout.read(5)
    process.stdout.close()
    assert process.wait() == 141
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("closed_at", [None, 2])
def test_training_into_a_closed_pipe_keeps_its_steps(closed_at, monkeypatch, capsys):
    reader, writer = os.pipe()
    show = TrainingView.step
    monkeypatch.setattr(
        TrainingView, "step", lambda view, m: (m.step == closed_at and os.close(reader)) or show(view, m)
    )
    if closed_at is None:
        os.close(reader)
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main(["train", "--data", "foxes.txt", *TINY, "--tokenizer", "char", "--eval-every", "1"]) == 141
    assert capsys.readouterr().err == ""
    assert (list_runs()[0].state, list_runs()[0].step) == ("stopped", closed_at or 0)
