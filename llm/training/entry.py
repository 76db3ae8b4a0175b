"""Training from a script: `llm.train` and `llm.branch`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm.runs.loading import Run, load_run
from llm.runtime import compute
from llm.training.branching import start_branch
from llm.training.settings import DEFAULT_TEXT, RunSettings
from llm.training.setup import start_new_run
from llm.training.trainer import Trainer


def train(data: str | Path | Sequence[str | Path] = DEFAULT_TEXT, **settings: Any) -> Run:
    """Train a model on a text to the end, in a new run folder, and open it as `llm.checkpoints.load_run` does.

    Settings have the names and defaults of the flags of `uv run llm train`, with underscores:

        run = llm.train("training.txt", architecture="llama", tokenizer="char", steps=500, learning_rate=1e-3)

    Ctrl-C saves a snapshot first; `uv run llm train --resume RUN` continues the run.

    Raises:
        ValueError: a setting that does not exist or cannot work; nothing has been written then.
        TrainingDiverged: the loss or the weights became NaN or infinity.
        RunNotSavedError: the disk is full, for example.
    """
    return _train_to_end(start_new_run(RunSettings.from_names({"data": data} | settings).new_run()))


def branch(run: str | Path, at: int | None = None, **changes: Any) -> Run:
    """Go on from a snapshot of a run, in a new run beside it, with these settings of training changed, and open it.

    `at` is the snapshot's step; None: the newest. `llm.branch(run, steps=900)` continues a finished run. Ctrl-C saves a
    snapshot first.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: there is no snapshot of this step, or a setting that cannot be changed; nothing has been written.
        TrainingDiverged, RunNotSavedError: as `train`.
    """
    return _train_to_end(start_branch(run, at, changes))


def _train_to_end(trainer: Trainer) -> Run:
    """Take all steps and open the run. Where it is interrupted, there is a snapshot of the last step."""
    assert trainer.folder is not None
    try:
        while not trainer.finished:
            compute.run(next, trainer)
    except KeyboardInterrupt:
        compute.run(trainer.snapshot)
        raise
    return load_run(trainer.folder.path)
