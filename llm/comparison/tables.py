"""What is known of compared runs, as plain rows: for data frames, JSON and CSV."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from llm.comparison.bands import band, seed_groups
from llm.comparison.curves import AXES, Point, step_curve, training_curve, validation_curve
from llm.comparison.differences import differences
from llm.comparison.run import ComparedRun
from llm.comparison.significance import in_words, verdicts
from llm.comparison.skills import skill_grid
from llm.runs.folder import RunFolder

Row = dict[str, Any]
LOSSES = Point._fields[len(AXES) :]
LOSS_FIELDS = ("curve", *Point._fields)


def end_rows(runs: Sequence[ComparedRun]) -> Iterator[Row]:
    """A row for each run: where it is, what it took, and the validation loss that it reached."""
    for run in runs:
        yield {
            "run": run.letter,
            "id": run.summary.id,
            "label": run.summary.label,
            "state": run.summary.state,
            "steps": run.summary.steps,
            "parameters": run.summary.parameters,
            **{axis: run.took.get(axis) for axis in AXES},
            **{field: getattr(run.end, field, None) for field in LOSSES},
            "on_all_validation_text": run.final is not None,
        }


def curve_rows(runs: Sequence[ComparedRun]) -> Iterator[Row]:
    """A row for each point of each curve."""
    for run in runs:
        whole = [run.final] if run.final else []
        for name, points in (("training", run.training), ("validation", run.validation), ("validation, all", whole)):
            for point in points:
                yield {"run": run.letter, "id": run.summary.id, "curve": name, **point._asdict()}


def loss_rows(folder: RunFolder) -> Iterator[Row]:
    """A row with `LOSS_FIELDS` for each point of the curves of a single run. Raises as `RunFolder.config`."""
    config = folder.config()
    rows = [row for row in folder.read_metrics().rows if row["step"] is not None]
    curves = {
        "training, each step": step_curve(rows, config),
        "training, smoothed": training_curve(rows, config),
        "validation": validation_curve(rows, config),
        "validation, all": validation_curve(rows, config, "final_evaluation"),
    }
    for name, points in curves.items():
        for point in points:
            yield {"curve": name, **point._asdict()}


def band_rows(runs: Sequence[ComparedRun]) -> Iterator[Row]:
    """A row for each point of the bands of runs that differ only in their seed."""
    for group in seed_groups(runs):
        if len(group) > 1:
            for name in ("training", "validation"):
                for point in band([getattr(run, name) for run in group]):
                    yield {"runs": " ".join(run.letter for run in group), "curve": name, **point._asdict()}


def verdict_rows(runs: Sequence[ComparedRun], unit: str) -> Iterator[Row]:
    """A row for the lowest loss beside each other one: the difference, its error, and what to think of it."""
    for found in verdicts(runs, unit):
        yield {**dataclasses.asdict(found), "clear": found.clear, "verdict": in_words(found)}


def difference_rows(runs: Sequence[ComparedRun]) -> Iterator[Row]:
    """A row for each setting that differs, with the value in each run under the run's letter."""
    for row in differences(runs):
        values = zip((run.letter for run in runs), row.values, strict=True)
        yield {"field": row.field, "help": row.help, **dict(values)}


def skill_rows(runs: Sequence[ComparedRun]) -> Iterator[Row]:
    """A row for each skill and each run that was tested on it."""
    for row in skill_grid(runs):
        for run, score in zip(runs, row.scores, strict=True):
            if score is not None:
                about = {"skill": row.skill, "name": row.name, "easy": row.easy}
                yield {"run": run.letter, "id": run.summary.id, **about, **score._asdict()}
