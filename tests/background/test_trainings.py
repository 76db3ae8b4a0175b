import asyncio
import importlib
import signal
import sys
import threading

import pytest
import torch

from llm.background import trainings
from llm.config import TrainingConfig
from llm.presets import preset
from llm.runtime import compute
from llm.runtime.process import STOP_SIGNALS
from llm.training.new_run import NewRun
from main import app, lifespan

TEXT = "one two three four five six seven eight nine ten\n" * 60
SOON = 20  # seconds: far more than these need


@pytest.fixture(autouse=True)
def nothing_left_running():
    yield
    trainings.stop_all(SOON)
    assert trainings.active() == []


def start(tmp_path, steps=100_000, **overrides) -> trainings.BackgroundRun:
    settings = {"batch_size": 2, "eval_every": 1000, "eval_windows": 2, "sample_tokens": 0, "device": "cpu"}
    training = TrainingConfig(steps=steps, **(settings | overrides))
    config = preset("gpt", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=8)
    return trainings.start(NewRun(config, training, "char", TEXT, "numbers.txt", tmp_path))


def reach(run: trainings.BackgroundRun, step: int) -> None:
    while run.trainer.step < step and run.active:
        compute.run(lambda: None)  # returns after the step under way


def test_a_run_trains_to_its_end(tmp_path):
    run = start(tmp_path, steps=5)
    assert run.wait("finished", timeout=SOON)
    assert (run.state, run.message, run.trainer.step) == ("finished", "all 5 steps are done", 5)
    assert trainings.get(run.id) is run
    assert trainings.active() == []


def test_pause_step_and_resume(tmp_path):
    run = start(tmp_path)
    reach(run, 3)
    run.pause()
    assert run.wait("paused", timeout=SOON) and run.state == "paused"
    step = run.trainer.step
    assert run.folder.status().state == "paused"
    assert run.folder.snapshots()[-1] == step
    compute.run(lambda: None)
    assert run.trainer.step == step  # nothing moves

    run.step_once()
    assert run.wait("paused", timeout=SOON) and run.state == "paused"
    assert run.trainer.step == step + 1
    assert run.folder.status().state == "paused"
    run.step_once()
    run.step_once()
    assert run.wait("paused", timeout=SOON)
    assert run.trainer.step == step + 3

    run.resume()
    reach(run, step + 10)
    assert run.state == "running"
    assert [row["step"] for row in run.folder.read_metrics().rows][: step + 10] == list(range(step + 10))


def test_stop_writes_a_snapshot_and_the_run_can_go_on_later(tmp_path):
    run = start(tmp_path)
    reach(run, 3)
    run.stop()
    assert run.wait("stopped", timeout=SOON) and run.state == "stopped"
    step = run.trainer.step
    assert run.folder.snapshots()[-1] == step
    assert run.folder.status().state == "stopped"

    again = trainings.resume(run.folder.path)
    assert again is not run and again.id == run.id
    assert trainings.get(run.id) is again
    reach(again, step + 2)
    assert again.trainer.step >= step + 2


def test_resume_of_a_paused_run_is_the_same_run(tmp_path):
    run = start(tmp_path)
    run.pause()
    run.wait("paused", timeout=SOON)
    assert trainings.resume(run.folder.path) is run
    reach(run, run.trainer.step + 1)


@pytest.mark.parametrize("paused", [False, True])
def test_a_second_run_is_refused_by_name(tmp_path, paused):
    run = start(tmp_path)
    if paused:
        run.pause()
        run.wait("paused", timeout=SOON)
    with pytest.raises(ValueError, match=f"run {run.id} is .* one run trains at a time"):
        start(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_two_tabs_starting_at_once_get_one_run(tmp_path):
    outcomes, ready = [], threading.Barrier(4)

    def press_start():
        ready.wait()
        try:
            outcomes.append(start(tmp_path))
        except ValueError as error:
            outcomes.append(error)

    tabs = [threading.Thread(target=press_start) for _ in range(4)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert sum(isinstance(outcome, ValueError) for outcome in outcomes) == 3
    assert len(trainings.active()) == 1


def test_invalid_arguments_are_raised_to_the_caller(tmp_path):
    with pytest.raises(ValueError, match="float16"):
        start(tmp_path, precision="float16")
    assert trainings.active() == []


def test_divergence_ends_the_run_as_failed_with_its_explanation(tmp_path):
    run = start(tmp_path)
    reach(run, 2)
    run.trainer.forward = lambda tokens: run.trainer.model(tokens) * torch.nan
    assert run.wait("failed", timeout=SOON)
    assert run.state == "failed" and "Training diverged" in run.message
    assert run.folder.status().state == "failed"


def test_any_other_failure_is_reported_too(tmp_path, caplog):
    run = start(tmp_path)
    reach(run, 2)

    def broken(*_):
        raise RuntimeError("the machine is on fire")

    run.folder.append_metrics = broken
    assert run.wait("failed", timeout=SOON)
    assert "the machine is on fire" in run.message
    assert "Traceback" in caplog.text
    assert run.folder.status().state == "failed"


def test_orders_to_an_ended_run_do_nothing(tmp_path):
    run = start(tmp_path, steps=2)
    run.wait("finished", timeout=SOON)
    for order in (run.pause, run.resume, run.step_once, run.stop):
        order()
    assert run.state == "finished"


def test_a_run_outlives_an_edited_source_file(tmp_path):
    before = {name: module for name, module in sys.modules.items() if name == "llm" or name.startswith("llm.")}
    run = start(tmp_path)
    try:
        for name in before:
            if not name.startswith("llm.layers"):  # their type checks, in tests only, know the first import's classes
                del sys.modules[name]
        edited = importlib.import_module("llm.background.trainings")
        assert edited is not trainings
        assert edited.get(run.id) is run
        reach(run, run.trainer.step + 3)
        with pytest.raises(ValueError, match="one run trains at a time"):
            edited.resume(tmp_path / "20000101000000")
        edited.get(run.id).stop()
        assert run.wait("stopped", timeout=SOON)
    finally:
        for name in [name for name in sys.modules if name == "llm" or name.startswith("llm.")]:
            del sys.modules[name]
        sys.modules.update(before)


@pytest.fixture
def default_handlers():
    """The handlers of a process that has just started, for every stop signal but Ctrl-C's."""
    numbers = set(STOP_SIGNALS) - {signal.SIGINT}
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGTERM"])
def test_whatever_signal_ends_the_server_its_training_keeps_its_newest_step(
    tmp_path, name, default_handlers, monkeypatch
):
    monkeypatch.setattr("main.SKILLS", ())  # whose questions the server prepares for a first run: seconds

    async def serve() -> trainings.BackgroundRun:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        async with lifespan(app):
            run = start(tmp_path)
            reach(run, 3)
            number = getattr(signal, name)
            assert signal.getsignal(number) is not signal.SIG_DFL
            signal.raise_signal(number)
            await asyncio.wait_for(ended.wait(), SOON)
        return run

    run = asyncio.run(serve())
    assert run.state == run.folder.status().state == "stopped"
    assert run.folder.snapshots()[-1] == run.trainer.step >= 3
