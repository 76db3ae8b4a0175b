"""The runs as a table: one row a run, one column for every field, metric and skill."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm.config import ModelConfig, TrainingConfig
from llm.runs.disk import disk_bytes
from llm.runs.listing import RunSummary, list_runs

if TYPE_CHECKING:
    import pandas as pd

MOST_MEASURES = 100  # of a kind in one run: a run folder from elsewhere can hold any number
GROUPED = ("config", "notes", "evaluation", "skills", "origin")  # fields of a summary that are several columns
CONFIGS = {"model": ModelConfig, "training": TrainingConfig}


def runs_table(checkpoints_dir: Path | str = "checkpoints") -> pd.DataFrame:
    """One row a run, newest first; see `run_rows` for the columns. A run has no value for what it has not measured."""
    import pandas as pd  # takes a moment

    rows = run_rows(list_runs(checkpoints_dir))
    return pd.DataFrame(rows, columns=column_names(rows))


def run_rows(runs: Iterable[RunSummary]) -> list[dict[str, Any]]:
    """The values of each run by column.

    id, label, state, step, loss …   what the list shows
    name, note, tags                 what a person wrote
    branched_from, branched_at, changed   the run and the step that it goes on from, and what was changed there
    disk_bytes                       the size of its files
    model.n_layers …                 every field of the model's config
    training.learning_rate …         every field of the training config
    evaluation.accuracy …            what was measured last on validation text, of a finished run on all of it
    skills.count …                   accuracies on the story world's skills
    """
    return [_row(run) | {"disk_bytes": disk_bytes(run.path)} for run in runs]


def column_names(rows: list[dict[str, Any]]) -> list[str]:
    """Every column: those that all runs have, and those of what any of these runs has measured."""
    always = [*_row(RunSummary("", Path(), "", 0)), "disk_bytes"]
    return always + sorted({name for row in rows for name in row}.difference(always))


def _row(run: RunSummary) -> dict[str, Any]:
    row = {field.name: getattr(run, field.name) for field in dataclasses.fields(run) if field.name not in GROUPED}
    row |= {field.name: getattr(run.notes, field.name) for field in dataclasses.fields(run.notes)}
    row["branched_from"], row["branched_at"] = (run.origin.run, run.origin.step) if run.origin else (None, None)
    row["changed"] = run.origin.changes_in_words() if run.origin else None
    for part, config in CONFIGS.items():
        for field in dataclasses.fields(config):
            row[f"{part}.{field.name}"] = run.config and getattr(getattr(run.config, part), field.name)
    for part in ("evaluation", "skills"):
        for name, value in list(getattr(run, part).items())[:MOST_MEASURES]:
            row[f"{part}.{name[:MOST_MEASURES]}"] = value
    return row
