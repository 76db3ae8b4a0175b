"""Training from a script: `llm.train`, `llm.branch` and `llm.sweep`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm.runs.loading import Run, load_run
from llm.runtime import compute
from llm.training.branching import start_branch
from llm.training.divergence import TrainingDiverged
from llm.training.settings import DEFAULT_TEXT, RunSettings
from llm.training.setup import resume_run
from llm.training.sweep import as_frame, plan, result
from llm.training.trainer import Trainer

if TYPE_CHECKING:
    import pandas as pd


def train(
    data: str | Path | Sequence[str | Path] = DEFAULT_TEXT, *, resume: str | Path | None = None, **settings: Any
) -> Run:
    """Train a model on a text to the end, in a new run folder, and open it as `llm.checkpoints.load_run` does.

    Settings have the names and defaults of the flags of `uv run llm train`, with underscores:

        run = llm.train("training.txt", architecture="llama", tokenizer="char", steps=500, learning_rate=1e-3)

    Ctrl-C saves a snapshot first; `llm.train(resume=run)`, with the run's folder, continues it.

    Raises:
        FileNotFoundError: there is no such text, or no such run to resume.
        ValueError: a setting that does not exist or cannot work; nothing has been written then.
        TrainingDiverged: the loss or the weights became NaN or infinity.
        RunNotSavedError: the disk is full, for example.
    """
    if resume is not None:
        if settings or data != DEFAULT_TEXT:
            names = ", ".join(["data"] * (data != DEFAULT_TEXT) + [*settings])
            raise ValueError(f"resume cannot be combined with {names}: a run resumes with its own settings and text")
        return _train_to_end(resume_run(resume))
    return _train_to_end(RunSettings.from_names({"data": data} | settings).new_run().start())


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


def sweep(vary: Mapping[str, Sequence[Any]], **settings: Any) -> pd.DataFrame:
    """Train a run for every combination of values, and return what came of each, one a row.

        llm.sweep({"architecture": ["gpt", "llama"], "seed": [0, 1, 2]}, steps=500)

    Runs that are finished are not trained again, and begun ones are resumed, so a sweep that was stopped goes on when
    it is called again. A run that diverges has failed; the others are trained.

    Raises:
        ValueError: a setting that does not exist or cannot work; nothing has been written then.
        RunNotSavedError: the disk is full, for example.
    """
    planned = plan(vary, settings)
    for one in planned:
        make_trainer = one.to_train()
        if make_trainer is not None:
            with suppress(TrainingDiverged):
                _train_to_end(make_trainer())
    return as_frame([result(one) for one in planned])


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
