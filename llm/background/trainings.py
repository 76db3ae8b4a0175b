"""Runs that train in the background of this process, whoever looks at them.

A run has a thread that drives its `Trainer`; each optimizer step is a task of the process's one compute thread
(`llm.runtime.compute`), so that pages get their turn between two steps. The registry outlives page reruns, closed tabs
and edited source files. One run trains at a time: two would only share the same cores.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from llm.runtime import compute
from llm.runtime.process import process_wide
from llm.training.setup import resume_run, start_run
from llm.training.trainer import Trainer, TrainingDiverged

RunState = Literal["starting", "running", "paused", "finished", "stopped", "failed"]
Order = Literal["run", "pause", "stop"]

_log = logging.getLogger(__name__)


class BackgroundRun:
    """One run and the thread that drives it. Orders (`pause`, `stop`, …) return at once; `wait` awaits their effect."""

    def __init__(self, trainer: Trainer) -> None:
        if trainer.folder is None:
            raise ValueError("a background run needs a trainer with a run folder")
        self.folder = trainer.folder
        self.id = trainer.folder.id
        self.trainer = trainer
        self.state: RunState = "starting"
        self.message = ""
        self._order: Order = "run"
        self._single_steps = 0
        self._changed = threading.Condition()  # guards state and orders, and tells of their change
        self._thread = threading.Thread(target=self._drive, name=f"run-{self.id}", daemon=True)
        self._thread.start()

    @property
    def active(self) -> bool:
        """Whether the run is under way, even if paused."""
        return self.state in ("starting", "running", "paused")

    def pause(self) -> None:
        """Write a snapshot after the current step, then wait for `resume` or `step_once`."""
        self._give("pause")

    def resume(self) -> None:
        """Go on after a pause."""
        self._give("run")

    def step_once(self) -> None:
        """Take one more step, then pause (again)."""
        self._give("pause", single_steps=1)

    def stop(self) -> None:
        """Write a snapshot after the current step and end. The run can be continued later: `runs.resume(path)`."""
        self._give("stop")

    def wait(self, *states: RunState, timeout: float | None = None) -> bool:
        """Wait until the run is in one of `states` or has ended; False if `timeout` seconds went by first."""
        with self._changed:
            return self._changed.wait_for(lambda: self.state in states or not self.active, timeout)

    def _give(self, order: Order, single_steps: int = 0) -> None:
        with self._changed:
            if not self.active:
                return
            self._order = order
            self._single_steps = self._single_steps + single_steps if order == "pause" else 0
            if self.state == "paused" and (order == "run" or self._single_steps):
                self.state = "running"  # from this moment, so that wait("paused") means: after that step
            self._changed.notify_all()

    def _become(self, state: RunState, message: str = "") -> None:
        with self._changed:
            self.state, self.message = state, message
            self._changed.notify_all()

    def _drive(self) -> None:
        try:
            while not self.trainer.finished and self._wait_for_turn():
                compute.run(next, self.trainer)
            if self.trainer.finished:
                self._become("finished", self.trainer.stop_reason or "")
            else:
                compute.run(self.trainer.snapshot, "stopped")
                self._become("stopped")
        except TrainingDiverged as error:
            self._become("failed", str(error))
        except Exception as error:  # a full disk, no memory left: nobody above this thread could tell a person
            _log.exception("run %s failed", self.id)
            message = f"{type(error).__name__}: {error}"
            try:
                self.folder.write_status("failed", message, self.trainer.step)
            except OSError:  # the disk may be the very thing that failed
                _log.exception("nor could its status be written")
            self._become("failed", message)

    def _wait_for_turn(self) -> bool:
        """Wait out a pause; then whether to take a step (True) or to end (False)."""
        with self._changed:
            while self._order == "pause" and not self._single_steps:
                if self.state != "paused":
                    compute.run(self.trainer.snapshot, "paused")  # an order given meanwhile waits until it is on disk
                    self._become("paused")
                self._changed.wait()
            if self._order == "stop":
                return False
            self._single_steps = max(0, self._single_steps - 1)
            if self.trainer.step > 0:
                self._become("running")
            return True


def start(*args: Any, **kwargs: Any) -> BackgroundRun:
    """Start a run in the background; the arguments are those of `llm.training.setup.start_run`.

    Returns when tokenizer, model and run folder exist, which takes seconds with a bpe tokenizer and a large text.

    Raises:
        ValueError: another run is under way, or the arguments cannot work; nothing has been written then.
    """
    return _begin(lambda: start_run(*args, **kwargs))


def resume(path: Path | str) -> BackgroundRun:
    """Continue the run in this folder: from its pause if it is paused here, else from its newest snapshot.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: another run is under way, or see `llm.training.setup.resume_run`.
    """
    run = get(Path(path).name)
    if run is not None and run.active:
        run.resume()
        return run
    return _begin(lambda: resume_run(path))


def get(run_id: str) -> BackgroundRun | None:
    """The run of this id, if it is under way in this process or was the last one to end here."""
    return _registry().get(run_id)


def active() -> list[BackgroundRun]:
    """The runs that are under way in this process, paused ones too: one at most."""
    return [run for run in list(_registry().values()) if run.active]


def stop_all(timeout: float = 60) -> None:
    """Stop every run with a snapshot, as for the server's shutdown; waits up to `timeout` seconds for each."""
    runs = active()
    for run in runs:
        run.stop()
    for run in runs:
        run.wait("stopped", timeout=timeout)


def _begin(make_trainer: Callable[[], Trainer]) -> BackgroundRun:
    with process_wide("runs lock", threading.Lock):  # two tabs that press Start together: the second hears of the first
        for other in active():
            raise ValueError(
                f"run {other.id} is {other.state} (step {other.trainer.step} of {other.trainer.config.steps}): "
                "one run trains at a time; stop it before starting or resuming another"
            )
        run = BackgroundRun(make_trainer())
        registry = _registry()
        registry.clear()  # an ended run's weights and optimizer need not stay in memory: its folder has them
        registry[run.id] = run
        return run


def _registry() -> dict[str, BackgroundRun]:
    return process_wide("runs", dict)
