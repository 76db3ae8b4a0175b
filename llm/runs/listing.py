"""The list of runs, read without opening any model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llm.costs import parameter_count
from llm.runs.folder import RUN_ID, RunFolder
from llm.runtime.text import with_error


@dataclass(frozen=True)
class RunSummary:
    """A run in the list; fields that a damaged folder lacks are None."""

    id: str
    path: Path
    state: str
    step: int
    architecture: str | None = None
    size: str | None = None
    text_name: str | None = None
    tokenizer: str | None = None
    steps: int | None = None
    loss: float | None = None  # on validation text, nats per token: at the last evaluation, or on all of it at the end
    standard_error: float | None = None  # of the loss; older runs lack it
    parameters: int | None = None
    created: datetime | None = None
    problem: str | None = None  # of a damaged run: what is wrong

    @property
    def label(self) -> str:
        """The run in one line, for lists."""
        if self.problem is not None:
            return f"{self.id} · {self.problem}"
        parts = [
            " ".join(part for part in (self.architecture or "custom", self.size) if part),
            self.tokenizer,
            self.text_name,
            f"step {self.step:,}",
            f"loss {with_error(self.loss, self.standard_error, 2)}" if self.loss is not None else None,
            f"{self.created.day} {self.created:%b %H:%M}" if self.created else self.id,
        ]
        return " · ".join(part for part in parts if part)


def list_runs(checkpoints_dir: Path | str = "checkpoints") -> list[RunSummary]:
    """Every run, newest first; one whose files are damaged is listed too, with the reason.

    Of each run it reads config.json, status.json and the end of metrics.jsonl, and looks at what its other files are.
    """
    if not Path(checkpoints_dir).is_dir():
        return []
    names = sorted((entry.name for entry in os.scandir(checkpoints_dir) if RUN_ID.fullmatch(entry.name)), reverse=True)
    paths = (Path(checkpoints_dir) / name for name in names)
    return [summary for path in paths if (summary := run_summary(path)) is not None]


def run_summary(path: Path) -> RunSummary | None:
    """The run in this folder; None if there is none (any more): it may be removed meanwhile."""
    try:
        folder = RunFolder(path)
        folder.require_regular_files()
        config, status, evaluation = folder.config(), folder.status(), folder.last_evaluation() or {}
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        return RunSummary(id=path.name, path=path, state="damaged", step=0, problem=str(error))
    return RunSummary(
        id=folder.id,
        path=folder.path,
        architecture=config.about(str, "architecture"),
        size=config.about(str, "size"),
        text_name=config.about(str, "text", "name"),
        tokenizer=config.about(str, "tokenizer", "kind"),
        state=status.state,
        step=status.step,
        steps=config.training.steps,
        loss=evaluation.get("loss"),
        standard_error=evaluation.get("standard_error"),
        parameters=parameter_count(config.model).total,
        created=_moment(folder.id),
    )


def _moment(run_id: str) -> datetime | None:
    try:
        return datetime.strptime(run_id, "%Y%m%d%H%M%S")
    except ValueError:  # fourteen digits, but not a valid time
        return None
