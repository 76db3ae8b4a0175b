"""Branch a run: a new run that goes on from a snapshot of another, its parent, with settings changed or none.

The new run's folder is what the parent's was at that step: the same weights, optimizer and random state, metrics until
then, tokenizer and text. So it resumes as any stopped run does, and reads the parent's next batches: on one machine's
CPU an unchanged branch is bit for bit the parent's own continuation. The parent is not touched. config.json names it:
`branched`. A finished run goes on by a branch from its last snapshot with more steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm.config import ModelConfig, TrainingConfig, describe
from llm.runs.config import RunConfig
from llm.runs.folder import RunFolder
from llm.runs.listing import run_summary
from llm.runs.origin import Branched, branched
from llm.runtime.files import remove_if_possible
from llm.runtime.processes import Processes
from llm.tokenizers import load_tokenizer
from llm.training.changes import changed_settings, schedule_in_words
from llm.training.description import moment
from llm.training.jobs import job_id, run_configs
from llm.training.setup import resume_run
from llm.training.trainer import Trainer


@dataclass(frozen=True)
class NewBranch:
    """What a branch is made of."""

    parent: Path
    step: int | None = None  # of the snapshot; None: the newest
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The branch in one line, before there is one."""
        changes = ", ".join(f"{name} {value}" for name, value in self.changes.items()) or "nothing changed"
        summary = run_summary(self.parent)
        start = "its newest step" if self.step is None else f"step {self.step:,}"
        return f"{self.parent.name if summary is None else summary.title} · from {start}, {changes}"

    def start(self) -> Trainer:
        """Its trainer. Raises as `start_branch`."""
        return start_branch(self.parent, self.step, self.changes)


def restart_in_words(origin: Branched, training: TrainingConfig) -> str:
    """What the changes of a branch with these settings did to the learning rate at its first step; empty: nothing."""
    before = {name: value for name, value, _ in origin.changed if name in describe(TrainingConfig)}
    return schedule_in_words(dataclasses.replace(training, **before), training, origin.step)


def start_branch(
    parent: Path | str,
    step: int | None = None,
    changes: Mapping[str, Any] | None = None,
    processes: Processes | None = None,
) -> Trainer:
    """The trainer of a new run, beside its parent, that goes on from the snapshot of this step; None: the newest.

    If the job that this process is part of has begun that branch, it is resumed.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: there is no snapshot of this step to go on from, a setting that cannot be changed, or no step left
            to take; or see `resume_run`.
    """
    processes, folder = processes or Processes(), RunFolder(parent)
    path, begun = processes.from_first(lambda: _begun_or_created(folder, step, changes or {}))
    try:
        return resume_run(path, processes)
    except BaseException:
        if not begun and processes.first:
            remove_if_possible(path)
        raise


def _begun_or_created(parent: RunFolder, step: int | None, changes: Mapping[str, Any]) -> tuple[Path, bool]:
    """The folder of the branch, and whether this job has begun it before."""
    config = parent.config()
    step = _resumable(parent, step)
    model, training = changed_settings(config.model, config.training, step, changes)
    waited = parent.trainer_state(step).get("evaluations_without_best")
    if isinstance(waited, int) and 0 < training.patience <= waited:
        raise ValueError(f"patience must be above {waited}, or 0, to go on from step {step:,}, got {training.patience}")
    record = {"run": parent.id, "step": step, "changed": _changed(config, model, training)}
    job = job_id()
    if job is not None:
        for path, other in run_configs(parent.path.parent):
            if other.about(str, "job") == job and other.about(dict, "branched") == record:
                return path, True
    about = config.raw | {
        "model": dataclasses.asdict(model),
        "training": dataclasses.asdict(training),
        "prompt": training.sample_prompt or config.about(str, "prompt") or "",
        "branched": record,
        "job": job,
        "created": moment(),
    }
    return _copy_at(parent, step, about, parent.path.parent), False


def branch_again(path: Path | str, checkpoints_dir: Path | str) -> Trainer:
    """A trainer of a copy of this branch as it began: at its first step, in another folder of runs.

    Raises ValueError if the branch no longer has the optimizer state of that step, or trains on a token cache.
    """
    folder = RunFolder(path)
    config, origin = folder.config(), branched(folder.config())
    if origin is None:
        raise ValueError(f"run {folder.id} is not a branch")
    if "cache" in (config.about(dict, "text") or {}):
        raise ValueError(
            f"Run {folder.id} went on from run {origin.run} on a large text: only that one can be repeated"
        )
    about = config.raw | {"training": dataclasses.asdict(dataclasses.replace(config.training, max_disk_mb=1))}
    return resume_run(_copy_at(folder, _resumable(folder, origin.step), about, checkpoints_dir))


def _copy_at(run: RunFolder, step: int, about: dict[str, Any], checkpoints_dir: Path | str) -> Path:
    """The folder of a new run that is stopped at this step, with what `run` had then."""
    text = None if "cache" in (run.config().about(dict, "text") or {}) else run.text()
    tokenizer = load_tokenizer(run.path)
    folder = RunFolder.create(checkpoints_dir, about, tokenizer, text, lambda path: run.copy_until(step, path))
    folder.write_status("stopped", "", step)
    return folder.path


def _resumable(parent: RunFolder, step: int | None) -> int:
    steps = parent.resumable_snapshots()
    if step is None and steps:
        return steps[-1]
    if step not in steps:
        kept = ", ".join(map(str, steps)) or "no step"
        wanted = "a step" if step is None else f"step {step}"
        raise ValueError(
            f"Run {parent.id} cannot be continued from {wanted}: it has an optimizer state of these steps: {kept}"
        )
    return step


def _changed(config: RunConfig, model: ModelConfig, training: TrainingConfig) -> dict[str, list[Any]]:
    """Value before and value since of each setting that is different."""
    before = dataclasses.asdict(config.model) | dataclasses.asdict(config.training)
    since = dataclasses.asdict(model) | dataclasses.asdict(training)
    return {name: [before[name], since[name]] for name in before if before[name] != since[name]}
