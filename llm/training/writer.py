"""Write a training run into its run folder, step by step: metrics, snapshots, best and final weights, status."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from llm.runs.errors import RunNotSavedError
from llm.runs.folder import ModelFile, RunFolder
from llm.runs.snapshots import snapshot_due
from llm.runs.weights import GatheredWeights
from llm.runtime.processes import Processes
from llm.runtime.sharding import is_sharded, local, whole
from llm.training.metrics import StepMetrics

if TYPE_CHECKING:
    from llm.model import Transformer
    from llm.training.trainer import Trainer

STATUS_SECONDS = 1  # between two writes of "running": often enough for readers, and cheap


class RunWriter:
    """Writes a trainer's progress into a run folder.

    Where that fails, the run has failed: each method raises RunNotSavedError. Each of several processes has a writer:
    only the first writes, and the others give it their parts of a sharded model.
    """

    def __init__(self, folder: RunFolder, processes: Processes) -> None:
        self.folder = folder
        self._first = processes.first
        self._saved: int | None = None  # the step of the newest snapshot
        self._status_time = -math.inf

    def record(self, trainer: Trainer, metrics: StepMetrics) -> None:
        """Write a step. The row comes first: a snapshot never lacks the metrics of its step."""
        with self._failing_with_reason(trainer):
            self._record(trainer, metrics)

    def _record(self, trainer: Trainer, metrics: StepMetrics) -> None:
        if self._first:
            self.folder.append_metrics(metrics.row())
        if metrics.step > 0 and metrics.evaluation is not None and trainer.evaluations_without_best == 0:
            self._save_model("best", trainer)
        if trainer.finished or snapshot_due(metrics.step, trainer.config.steps):
            self._save_snapshot(trainer, metrics)
        if trainer.finished:
            self.finish(trainer)
        elif time.monotonic() - self._status_time >= STATUS_SECONDS:
            self._write_status("running", "", metrics.step)
            self._status_time = time.monotonic()

    def interrupt(self, trainer: Trainer, state: str, message: str) -> None:
        """Write a snapshot of the trainer's step, unless it exists, and the run's new `state`."""
        with self._failing_with_reason(trainer):
            if trainer.last_metrics is not None and trainer.step != self._saved:
                self._save_snapshot(trainer, trainer.last_metrics)
            self._write_status(state, message, trainer.step)

    def finish(self, trainer: Trainer) -> None:
        """Write the final weights and the state "finished", with the reason."""
        with self._failing_with_reason(trainer):
            self._save_model("final", trainer)
            self._write_status("finished", trainer.stop_reason or "", trainer.step)

    def fail(self, trainer: Trainer, message: str) -> None:
        """Write the state "failed", with the reason."""
        with suppress(OSError):  # the reason why training failed is the one to tell
            self._write_status("failed", message, trainer.step)

    @contextmanager
    def _failing_with_reason(self, trainer: Trainer) -> Iterator[None]:
        """Turn what a full or failing disk raises into a RunNotSavedError, and end the run as failed."""
        try:
            yield
        except RunNotSavedError:  # of a method that this one called
            raise
        except OSError as error:
            try:
                newest = max(self.folder.snapshots(), default=None)
            except OSError:
                newest = None
            problem = RunNotSavedError(self.folder.path, newest, error)
            self.fail(trainer, str(problem))
            raise problem from error

    def _save_snapshot(self, trainer: Trainer, metrics: StepMetrics) -> None:
        row = metrics.row()
        info = {name: row[name] for name in ("step", "loss", "evaluation")}
        weights, state = _weights(trainer), trainer.state()  # of a sharded model, from all processes
        if self._first:
            self.folder.save_snapshot(trainer.step, weights, info, state, trainer.config.max_disk_mb)
        self._saved = trainer.step

    def _save_model(self, which: ModelFile, trainer: Trainer) -> None:
        weights = _weights(trainer)
        if self._first:
            self.folder.save_model(which, weights, trainer.step)

    def _write_status(self, state: str, message: str, step: int) -> None:
        if self._first:
            self.folder.write_status(state, message, step)


def _weights(trainer: Trainer) -> Transformer | GatheredWeights:
    """The whole weights, in the first process."""
    model = trainer.model
    if not is_sharded(model.parameters()):
        return model
    return GatheredWeights({name: whole(local(weight), weight) for name, weight in model.named_parameters()})
