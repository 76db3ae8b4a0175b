"""Jobs: a launcher that starts a training again continues the run that it began, with the same command.

torchrun gives each job an id (`--rdzv-id`, or a random one with `--standalone`), which stays the same when torchrun
restarts its processes (`--max-restarts`) and when a cluster starts the whole job again. config.json records it: `job`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from llm.config import ModelConfig, TrainingConfig
from llm.runs.config import RunConfig
from llm.runs.folder import RunFolder
from llm.runs.ids import RUN_ID
from llm.training.recorded import as_recorded


def job_id() -> str | None:
    """The id of the job that this process is part of; None: of none, or of one without an id."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return None if name in ("", "none") else name  # torchrun's default is "none"


def runs_with(
    runs: Iterable[tuple[Path, RunConfig]], model: ModelConfig, training: TrainingConfig
) -> Iterator[tuple[Path, RunConfig]]:
    """Those of these runs that began with these settings; a run that branched off another began otherwise."""
    training = as_recorded(training, model)
    for path, config in runs:
        of_this_size = dataclasses.replace(model, d_vocab=config.model.d_vocab)  # which its tokenizer has decided
        if config.training == training and config.model == of_this_size and "branched" not in config.raw:
            yield path, config


def run_configs(checkpoints_dir: Path | str) -> Iterator[tuple[Path, RunConfig]]:
    """Every run and its config.json, newest first, without the damaged ones."""
    paths = Path(checkpoints_dir).iterdir() if Path(checkpoints_dir).is_dir() else ()
    for path in sorted(paths, reverse=True):
        if RUN_ID.fullmatch(path.name):
            with suppress(OSError, ValueError):  # damaged, or not begun
                yield path, RunFolder(path).config()


def run_of_job(checkpoints_dir: Path | str, model: ModelConfig, training: TrainingConfig) -> Path | None:
    """The newest run that this job began with these settings; None: it has begun none."""
    job = job_id()
    begun = runs_with(run_configs(checkpoints_dir), model, training) if job is not None else ()
    return next((path for path, config in begun if config.about(str, "job") == job), None)
