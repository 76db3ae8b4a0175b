"""A queue of runs: the next one starts when the one that trains has ended by itself."""

import time

import pytest

from llm.background import queue, trainings
from llm.config import TrainingConfig
from llm.presets import preset
from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs
from llm.training.new_run import NewRun

TEXT = "one two three four five six seven eight nine ten\n" * 60
SOON = 20  # seconds


@pytest.fixture(autouse=True)
def nothing_left_running():
    yield
    for number in queue.waiting():
        queue.remove(number)
    queue.forget_problems()
    trainings.stop_all(SOON)


@pytest.fixture
def new(tmp_path):
    """A new run of so many steps."""

    def make(steps, **overrides):
        settings = {"batch_size": 2, "eval_every": 1000, "eval_windows": 2, "sample_tokens": 0, "device": "cpu"}
        training = TrainingConfig(steps=steps, **(settings | overrides))
        config = preset("gpt", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=8)
        return NewRun(config, training, "char", TEXT, "numbers.txt", tmp_path, architecture="gpt", size="small")

    return make


def the_run() -> trainings.BackgroundRun:
    [run] = trainings.active()
    return run


def wait_for(steps) -> trainings.BackgroundRun:
    """The run of so many steps, once it is the active one."""
    for _ in range(100 * SOON):
        for run in trainings.active():
            if run.trainer.config.steps == steps:
                return run
        time.sleep(0.01)
    raise AssertionError(f"no run of {steps} steps has started: {queue.problems()}")


def test_each_run_starts_when_the_one_before_has_finished(new, tmp_path):
    for steps in (200, 3, 4, 100_000):
        trainings.enqueue(new(steps))
    assert [waiting.training.steps for waiting in queue.waiting().values()][-1:] == [100_000]
    wait_for(100_000)
    assert queue.waiting() == {} and queue.problems() == []
    states = [(RunFolder(run.path).config().training.steps, run.state) for run in reversed(list_runs(tmp_path))]
    assert states[:3] == [(200, "finished"), (3, "finished"), (4, "finished")]


def test_a_stopped_run_leaves_the_queue_waiting_until_it_is_told_to_go_on(new):
    trainings.enqueue(new(100_000))
    trainings.enqueue(new(90_000))
    first = the_run()
    first.stop()
    assert first.wait("stopped", timeout=SOON)
    assert trainings.active() == [] and len(queue.waiting()) == 1
    trainings.start_next()
    assert the_run().trainer.config.steps == 90_000 and queue.waiting() == {}


def test_a_run_is_removed_and_the_others_keep_their_order_and_numbers(new):
    for steps in (100_000, 10, 20, 30):
        trainings.enqueue(new(steps))
    [ten, twenty, thirty] = queue.waiting()
    queue.remove(twenty)
    queue.remove(twenty)
    assert list(queue.waiting()) == [ten, thirty]


def test_a_run_that_cannot_start_or_diverges_does_not_stop_the_queue(new):
    trainings.enqueue(new(30, learning_rate=1e35, warmup=0.0))
    trainings.enqueue(new(40, sample_prompt="жук"))
    trainings.enqueue(new(100_000))
    wait_for(100_000)
    [problem] = queue.problems()
    assert problem.startswith("gpt small") and "does not know 'ж'" in problem


def test_a_run_that_has_no_place_on_the_disk_goes_on_waiting(new, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    trainings.enqueue(NewRun(**{**vars(new(5)), "checkpoints_dir": file}))
    assert len(queue.waiting()) == 1 and trainings.active() == []
    assert "File exists" in queue.problems()[0]


def test_a_waiting_run_is_described_by_what_differs_from_its_preset(new):
    assert new(5, seed=3).title.startswith("gpt small + ")
    assert new(5, seed=3).title.endswith(", 5 steps · char · numbers.txt")
