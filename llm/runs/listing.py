"""The list of runs, read without opening any model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from llm.costs import parameter_count
from llm.runs.config import RunConfig
from llm.runs.folder import RunFolder
from llm.runs.ids import FIRST_ID, RUN_ID, moment_of
from llm.runs.labels import model_name, shortened
from llm.runs.notes import RunNotes
from llm.runs.origin import Branched, branched
from llm.runtime.text import count, with_error


@dataclass(frozen=True)
class RunSummary:
    """A run in the list; fields that a damaged folder lacks are None."""

    id: str
    path: Path
    state: str
    step: int
    label: str = ""  # the run in one line; no two runs of a list have the same
    config: RunConfig | None = None
    notes: RunNotes = field(default_factory=RunNotes)
    model: str | None = None  # the preset and what differs from it, as in "llama small + alibi"
    architecture: str | None = None
    size: str | None = None
    text_name: str | None = None
    tokenizer: str | None = None
    steps: int | None = None  # of the whole training; None also for a model that was imported, not trained here
    loss: float | None = None  # on validation text, nats per token: at the last evaluation, or on all of it at the end
    standard_error: float | None = None  # of the loss; older runs lack it
    measured_step: int | None = None  # the step at which the loss was measured
    evaluation: Mapping[str, float | None] = field(default_factory=dict)  # the loss and what else was measured with it
    skills: Mapping[str, float | None] = field(default_factory=dict)  # accuracies, as last measured
    parameters: int | None = None
    created: datetime | None = None
    origin: Branched | None = None  # where it branched off another run
    problem: str | None = None  # of a damaged run: what is wrong

    @property
    def title(self) -> str:
        """The run in a few words: the name that a person gave it, or else its model."""
        return self.notes.name or self.model or self.id

    @property
    def title_and_id(self) -> str:
        """The title, and the id, which no other run has."""
        return f"run {self.id}" if self.title == self.id else f"{self.title} (run {self.id})"


def list_runs(checkpoints_dir: Path | str = "checkpoints") -> list[RunSummary]:
    """Every run, newest first; one whose files are damaged is listed too, with the reason.

    Of each run it reads config.json, status.json, notes.json and the end of metrics.jsonl, and looks at what its other
    files are.
    """
    if not Path(checkpoints_dir).is_dir():
        return []
    names = sorted((entry.name for entry in os.scandir(checkpoints_dir) if RUN_ID.fullmatch(entry.name)), reverse=True)
    paths = (Path(checkpoints_dir) / name for name in names)
    return labelled([summary for path in paths if (summary := _summary(path)) is not None])


def run_summary(path: Path) -> RunSummary | None:
    """The run in this folder; None if there is none (any more)."""
    summary = _summary(path)
    return None if summary is None else labelled([summary])[0]


def name_of(path: Path) -> str:
    """The title and the id of the run in this folder; only the id if there is none (any more)."""
    summary = _summary(path)
    return f"run {path.name}" if summary is None else summary.title_and_id


def _summary(path: Path) -> RunSummary | None:
    """A run without its label; None if there is none (any more): it may be removed meanwhile."""
    notes = RunNotes()
    try:
        folder = RunFolder(path)
        notes = folder.notes()
        folder.require_regular_files()
        config, status, measured = folder.config(), folder.status(), folder.last_measures()
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        return RunSummary(id=path.name, path=path, state="damaged", step=0, notes=notes, problem=str(error))
    return RunSummary(
        id=folder.id,
        path=folder.path,
        config=config,
        notes=notes,
        model=model_name(config),
        architecture=config.about(str, "architecture"),
        size=config.about(str, "size"),
        text_name=config.about(str, "text", "name"),
        tokenizer=config.about(str, "tokenizer", "kind"),
        state=status.state,
        step=status.step,
        steps=config.training.steps if config.about(dict, "imported") is None else None,
        loss=measured.evaluation.get("loss"),
        standard_error=measured.evaluation.get("standard_error"),
        measured_step=measured.step,
        evaluation=measured.evaluation,
        skills=measured.skills,
        parameters=parameter_count(config.model).total,
        created=moment_of(config.about(str, FIRST_ID) or folder.id),
        origin=branched(config),
    )


def labelled(runs: list[RunSummary]) -> list[RunSummary]:
    """The runs with labels, each another: where two would be equal, with the second in which the run began.

    A given name can imitate another run's label; then the id follows.
    """
    labels = [_label(run) for run in runs]
    occurring, taken = Counter(labels), set[str]()
    found = []
    for run, label in zip(runs, labels, strict=True):
        if occurring[label] > 1:
            label = _label(run, "%Y %H:%M:%S")
        while label in taken:
            label += f" · {run.id}"
        taken.add(label)
        found.append(replace(run, label=label))
    return found


def _label(run: RunSummary, time_format: str = "%H:%M") -> str:
    """The run in one line, for lists."""
    return " · ".join(filter(None, _parts(run, time_format)))


def _parts(run: RunSummary, time_format: str) -> Iterator[str | None]:
    yield run.notes.name
    if run.config is None:
        yield from (run.id, run.problem)
        return
    yield run.model
    if run.steps is not None:
        yield count(run.steps, "step") if run.step == run.steps else f"step {run.step:,} of {run.steps:,}"
    yield run.tokenizer
    yield shortened(run.text_name or "")
    untrained = " at step 0" if run.measured_step == 0 < run.step else ""
    yield f"loss {with_error(run.loss, run.standard_error, 2)}{untrained}" if run.loss is not None else None
    yield f"{run.created.day} {run.created:%b} {run.created:{time_format}}" if run.created else run.id
