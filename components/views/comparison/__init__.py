"""Runs beside each other: where each one is, their curves, what differs in their settings, and their skills."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.shared import folders
from components.shared.browser import BrowserComponent
from components.shared.export import csv_text, file_response
from components.shared.field_names import PLAIN_NAMES
from components.shared.plotly import PLOTLY_URL
from components.shared.runs_choice import joined, parse_runs
from components.shared.session import Session
from llm.comparison import tables
from llm.comparison.bands import band, seed_groups
from llm.comparison.curves import AXES, UNITS
from llm.comparison.differences import differences
from llm.comparison.run import LETTERS, ComparedRun, read_run, told_apart
from llm.comparison.skills import skill_grid
from llm.runs.listing import run_summary
from llm.runs.status import ACTIVE
from llm.runtime.result_cache import ResultCache
from llm.world.skills import standard_error

_comparison = BrowserComponent("comparison", "views/comparison/view.js")
_read: ResultCache[ComparedRun] = ResultCache(2 * len(LETTERS))
READ = ("config.json", "metrics.jsonl", "tokenizer.json", "tokenizer.model")  # what `read_run` reads
PLAIN = PLAIN_NAMES["ModelConfig"] | PLAIN_NAMES["TrainingConfig"]
CURVES = ("training", "validation", "final")
AS_THEY_ARE = ("run", "runs", "id", "curve", "skill")  # columns of a CSV file with names that the app gives
TABLES: dict[str, tuple[str, Callable[[Sequence[ComparedRun]], Iterable[tables.Row]]]] = {
    "curves": ("CSV of the curves", tables.curve_rows),
    "bands": ("CSV of the bands", tables.band_rows),
    "settings": ("CSV of what differs", tables.difference_rows),
    "skills": ("CSV of the skills", tables.skill_rows),
}


def show(runs: Sequence[ComparedRun], axis: str, unit: str, logarithmic: Sequence[str], as_bands: bool) -> None:
    """Show the runs; `logarithmic` has "x", "y" or both.

    When the last one that trained has ended, the page is rerun: what it warns of may not hold any more.
    """
    key = joined([run.summary.id for run in runs])
    _comparison.mount(
        on_ended_change=lambda: None,
        key=Session.COMPARE_VIEW.of(key),
        data={
            "url": f"/live/comparison/{key}",
            "plotly": PLOTLY_URL,
            "axis": axis,
            "axisTitle": AXES[axis],
            "unit": unit,
            "unitTitle": UNITS[unit],
            "logarithmic": list(logarithmic),
            "bands": as_bands,
            "export": {
                "name": _file_name(key),
                "tables": {label: f"/live/comparison/{key}/{name}.csv" for name, (label, _) in TABLES.items()},
            },
        },
    )


def open_run(run_id: str, letter: str) -> ComparedRun:
    """A run, whose curves are read again only if it has trained on. Raises as `read_run`."""
    path = folders.checkpoints() / run_id
    run = _read.get((path, *(_stamp(path / name) for name in READ)), lambda: read_run(path, letter))
    return dataclasses.replace(run, letter=letter, summary=run_summary(path) or run.summary)


def _stamp(path: Path) -> int | None:
    """When a file was last changed; None if there is none."""
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:
        return None


def answer(request: Request) -> JSONResponse:
    """All that the script draws."""
    runs = _runs(request)
    return JSONResponse(
        {
            "training": any(run.summary.state in ACTIVE for run in runs),
            "runs": [
                end | {"curves": _curves(run.training, run.validation, [run.final] if run.final else [])}
                for run, end in zip(runs, tables.end_rows(runs), strict=True)
            ],
            "bands": [
                {
                    "runs": [run.letter for run in group],
                    "curves": _curves(*(band([getattr(run, name) for run in group]) for name in CURVES[:2]), []),
                }
                for group in seed_groups(runs)
                if len(group) > 1
            ],
            "differences": [row._asdict() | {"plain": PLAIN.get(row.field, "")} for row in differences(runs)],
            **_skills(runs),
        }
    )


def table(name: str) -> Callable[[Request], Response]:
    """The route of one of `TABLES` as a CSV file."""

    def respond(request: Request) -> Response:
        rows = list(TABLES[name][1](_runs(request)))
        header = list(dict.fromkeys(field for row in rows for field in row))
        content = csv_text(header, ([row.get(field) for field in header] for row in rows), AS_THEY_ARE)
        return file_response(content, f"{_file_name(request.path_params['key'])}-{name}.csv", "text/csv")

    return respond


def _runs(request: Request) -> tuple[ComparedRun, ...]:
    try:
        run_ids = parse_runs(request.path_params["key"], len(LETTERS))
    except ValueError as error:
        raise HTTPException(404, "There are no such runs") from error
    if not run_ids:
        raise HTTPException(404, "There are no such runs")
    return told_apart([open_run(run_id, letter) for run_id, letter in zip(run_ids, LETTERS, strict=False)])


def _skills(runs: Sequence[ComparedRun]) -> dict[str, Any]:
    """The grid of skills, how many pairs a skill has, and how far from one half guessing gets in 95 of 100 cases."""
    grid = skill_grid(runs)
    pairs = sorted({score.pairs for row in grid for score in row.scores if score is not None})
    return {
        "skills": [row._asdict() | {"scores": [score and score._asdict() for score in row.scores]} for row in grid],
        "pairs": pairs,
        "guessing": 2 * standard_error(0.5, pairs[0]) if pairs else 0.0,
    }


def _file_name(key: str) -> str:
    return f"compare-{key.replace('.', '-')}"


def _curves(*curves: Sequence[Any]) -> dict[str, dict[str, list[float | None]]]:
    """Each curve as columns: the values of its points by the names of their fields."""
    return {
        name: {field: [getattr(point, field) for point in points] for field in (points[0]._fields if points else ())}
        for name, points in zip(CURVES, curves, strict=True)
    }


LIVE = {"comparison": answer, **{f"comparison/{name}.csv": table(name) for name in TABLES}}
