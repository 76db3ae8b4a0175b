"""Runs that train in the background of this process, independent of any page.

A run has a thread that drives its `Trainer`; each optimizer step is a task of the process's one compute thread
(`llm.runtime.compute`), so that page computations run between two steps. The registry survives page reruns, closed tabs
and edited source files. One run trains at a time: two would only share the same cores.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from llm.background import queue
from llm.background.queue import Startable
from llm.runs.errors import RunNotSavedError
from llm.runs.folder import RunFolder
from llm.runtime import compute
from llm.runtime.files import error_text
from llm.runtime.process import process_wide
from llm.training.divergence import TrainingDiverged
from llm.training.setup import resume_run
from llm.training.trainer import Trainer

RunState = Literal["starting", "running", "paused", "finished", "stopped", "failed"]
Command = Literal["run", "pause", "stop"]

_log = logging.getLogger(__name__)


class BackgroundRun:
    """One run and the thread that drives it. Commands (`pause`, `stop`, …) return at once; `wait` waits for them."""

    def __init__(self, trainer: Trainer) -> None:
        if trainer.folder is None:
            raise ValueError("a background run needs a trainer with a run folder")
        self.folder = trainer.folder
        self.id = trainer.folder.id
        self.trainer = trainer
        self.state: RunState = "starting"
        self.message = ""
        self._command: Command = "run"
        self._single_steps = 0
        self._changed = threading.Condition()  # guards the state and the commands, and notifies of their changes
        self._thread = threading.Thread(target=self._drive, name=f"run-{self.id}", daemon=True)
        self._thread.start()

    @property
    def active(self) -> bool:
        """Whether the run has not ended, even if it is paused."""
        return self.state in ("starting", "running", "paused")

    def pause(self) -> None:
        """Write a snapshot after the current step, then wait for `resume` or `step_once`."""
        self._send("pause")

    def resume(self) -> None:
        """Continue after a pause."""
        self._send("run")

    def step_once(self) -> None:
        """Take one more step, then pause (again)."""
        self._send("pause", single_steps=1)

    def stop(self) -> None:
        """Write a snapshot after the current step and end. The run can be resumed later: `resume(path)`."""
        self._send("stop")

    def wait(self, *states: RunState, timeout: float | None = None) -> bool:
        """Wait until the run is in one of `states` or has ended; False if `timeout` seconds went by first."""
        with self._changed:
            return self._changed.wait_for(lambda: self.state in states or not self.active, timeout)

    def _send(self, command: Command, single_steps: int = 0) -> None:
        with self._changed:
            if not self.active:
                return
            self._command = command
            self._single_steps = self._single_steps + single_steps if command == "pause" else 0
            if self.state == "paused" and (command == "run" or self._single_steps):
                self.state = "running"  # set now, so that wait("paused") waits until after that step
            self._changed.notify_all()

    def _set_state(self, state: RunState, message: str = "") -> None:
        with self._changed:
            self.state, self.message = state, message
            self._changed.notify_all()

    def _drive(self) -> None:
        try:
            while not self.trainer.finished and self._wait_for_turn():
                compute.run(next, self.trainer)
            if self.trainer.finished:
                self._set_state("finished", self.trainer.stop_reason or "")
                start_next()
            else:
                compute.run(self.trainer.snapshot, "stopped")
                self._set_state("stopped")
        except TrainingDiverged as error:
            self._set_state("failed", str(error))
            start_next()
        except RunNotSavedError as error:  # nor could the next one be saved
            self._set_state("failed", str(error))
        except Exception as error:  # no memory left: no caller above this thread could report it
            _log.exception("run %s failed", self.id)
            message = f"{type(error).__name__}: {error}"
            try:
                self.folder.write_status("failed", message, self.trainer.step)
            except OSError:  # the failure may be that of the disk
                _log.exception("the status of run %s could not be written", self.id)
            self._set_state("failed", message)

    def _wait_for_turn(self) -> bool:
        """Wait while the run is paused; then whether to take a step (True) or to end (False)."""
        with self._changed:
            while self._command == "pause" and not self._single_steps:
                if self.state != "paused":
                    compute.run(self.trainer.snapshot, "paused")  # a command sent meanwhile waits until it is on disk
                    self._set_state("paused")
                self._changed.wait()
            if self._command == "stop":
                return False
            self._single_steps = max(0, self._single_steps - 1)
            if self.trainer.step > 0:
                self._set_state("running")
            return True


def start(new: Startable) -> BackgroundRun:
    """Start a run in the background.

    Returns when tokenizer, model and run folder exist, which takes seconds with a bpe tokenizer and a large text.

    Raises:
        FileNotFoundError: there is no such run to branch off.
        ValueError: another run is active, or the settings cannot work together; nothing has been written then.
    """
    return _start_only(new.start)


def enqueue(new: Startable) -> None:
    """Start a run now if none is active, else once those before it have ended by themselves (`llm.background.queue`).

    A run that a user stops, or that could not be saved, leaves the others waiting until `start_next`.
    """
    queue.add(new)
    start_next()


def start_next() -> BackgroundRun | None:
    """Start the first run that waits, unless one is active; None: nothing was started.

    A run that cannot be started leaves the queue with a report; if the reason is the disk, it goes on waiting.
    """
    with _lock():
        for number, new in queue.waiting().items() if not active() else ():
            try:
                run = _launch(new.start())
            except OSError as error:
                queue.report(f"{new.title}: {error_text(error)}")
                return None
            except (ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: torch's, where memory is short
                queue.report(f"{new.title}: {error_text(error)}")
                queue.remove(number)
            else:
                queue.remove(number)
                return run
    return None


def resume(path: Path | str) -> BackgroundRun:
    """Continue the run in this folder: from its pause if it is paused here, else from its newest snapshot.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: another run is active, or see `llm.training.setup.resume_run`.
    """
    run = get(Path(path).name)
    if run is not None and run.active:
        run.resume()
        return run
    return _start_only(lambda: resume_run(path))


def get(run_id: str) -> BackgroundRun | None:
    """The run of this id, if it is active in this process or was the last one to end here."""
    return _registry().get(run_id)


def state_of(folder: RunFolder) -> tuple[str, str]:
    """State of a run and a message: of the run in this process if it trains, or failed, here; else the folder's."""
    here, status = get(folder.id), folder.status()
    # a full disk may not have taken the status of a run that failed
    if here is not None and (here.active or (here.state == "failed" and status.state == "interrupted")):
        return here.state, here.message
    return status.state, status.message


def active() -> list[BackgroundRun]:
    """The runs that are active in this process, paused ones too: one at most."""
    return [run for run in list(_registry().values()) if run.active]


def stop_all(timeout: float = 60) -> None:
    """Stop every run with a snapshot, for the server's shutdown; waits up to `timeout` seconds for each."""
    runs = active()
    for run in runs:
        run.stop()
    for run in runs:
        run.wait("stopped", timeout=timeout)


def _start_only(make_trainer: Callable[[], Trainer]) -> BackgroundRun:
    with _lock():  # if two tabs press Start together, the second is told of the first
        for other in active():
            raise ValueError(
                f"run {other.id} is {other.state} (step {other.trainer.step} of {other.trainer.config.steps}): "
                "one run trains at a time; stop it before starting or resuming another"
            )
        return _launch(make_trainer())


def _launch(trainer: Trainer) -> BackgroundRun:
    run = BackgroundRun(trainer)
    registry = _registry()
    registry.clear()  # free an ended run's weights and optimizer: its folder has them
    registry[run.id] = run
    return run


def _lock() -> threading.Lock:
    return process_wide("runs lock", threading.Lock)


def _registry() -> dict[str, BackgroundRun]:
    return process_wide("runs", dict)
