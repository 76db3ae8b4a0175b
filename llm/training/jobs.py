"""Jobs: a launcher that starts a training again continues the run that it began, with the same command.

torchrun gives each job an id (`--rdzv-id`, or a random one with `--standalone`), which stays the same when torchrun
restarts its processes (`--max-restarts`) and when a cluster starts the whole job again. config.json records it: `job`.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from llm.config import ModelConfig, TrainingConfig
from llm.runs.folder import RUN_ID, RunFolder
from llm.runtime.text import normalize_text


def job_id() -> str | None:
    """The id of the job that this process is part of; None: of none, or of one without an id."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return None if name in ("", "none") else name  # torchrun's default is "none"


def run_of_job(checkpoints_dir: Path | str, model: ModelConfig, training: TrainingConfig) -> Path | None:
    """The newest run that this job began with these settings; None: it has begun none."""
    job = job_id()
    if job is None or not Path(checkpoints_dir).is_dir():
        return None
    training = dataclasses.replace(training.for_model(model), sample_prompt=normalize_text(training.sample_prompt))
    for path in sorted(Path(checkpoints_dir).iterdir(), reverse=True):
        if RUN_ID.fullmatch(path.name):
            try:
                config = RunFolder(path).config()
            except (OSError, ValueError):  # damaged, or not begun
                continue
            of_this_size = dataclasses.replace(model, d_vocab=config.model.d_vocab)  # which its tokenizer has decided
            if config.training == training and config.model == of_this_size and config.about(str, "job") == job:
                return path
    return None
