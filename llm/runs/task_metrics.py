"""tasks.json of a run folder: what another project's tasks measured of the run's models (`llm.interop.harness`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llm.runs.errors import read_json_object
from llm.runs.notes import one_line
from llm.runtime.files import write_json
from llm.runtime.regular_files import is_regular


class TaskMetric(NamedTuple):
    """One figure of one task."""

    step: int
    task: str
    metric: str
    value: float
    standard_error: float | None
    documents: int  # of the task that were measured


def write_task_metrics(path: Path, new: Sequence[TaskMetric]) -> None:
    """Add these to a tasks.json, in place of the same task's at the same step."""
    replaced = {(metric.step, metric.task) for metric in new}
    kept = [metric for metric in read_task_metrics(path) if (metric.step, metric.task) not in replaced]
    write_json(path, {"metrics": [metric._asdict() for metric in (*kept, *new)]})


def read_task_metrics(path: Path) -> list[TaskMetric]:
    """The content of a tasks.json, of a damaged one what can be read: it never hides its run, so it raises nothing."""
    try:
        rows = read_json_object(path).get("metrics") if is_regular(path) else []
    except (OSError, ValueError):
        return []
    return [metric for row in rows if (metric := _metric(row)) is not None] if isinstance(rows, list) else []


def _metric(row: Any) -> TaskMetric | None:
    if not isinstance(row, dict) or row.keys() != set(TaskMetric._fields):
        return None
    numbers = (row["value"],) if row["standard_error"] is None else (row["value"], row["standard_error"])
    texts, counts = (row["task"], row["metric"]), (row["step"], row["documents"])
    if not (
        all(isinstance(text, str) for text in texts)
        and all(type(count) is int for count in counts)
        and all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
    ):
        return None
    return TaskMetric(**row | {"task": one_line(row["task"]), "metric": one_line(row["metric"])})
