"""Runs beside runs: curves, bands over seeds, what differs in their settings, skills, and why a comparison misleads.

import llm
found = llm.compare("checkpoints/20260131120000", "checkpoints/20260131120100")
found.curves()      a pandas DataFrame, as are found.ends(), found.bands(), found.differences(), found.skills()
found.unfair()      sentences
found.verdicts()    whether the lowest loss is more than noise, a row for each other run
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llm.comparison import tables
from llm.comparison.fairness import unfair
from llm.comparison.run import LETTERS, ComparedRun, default_unit, read_run, told_apart

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Comparison:
    """Two to eight runs; the tables call them A, B, C, … in the order in which they were given."""

    runs: tuple[ComparedRun, ...]

    @property
    def unit(self) -> str:
        """Bits per character if the tokenizers differ, else nats per token."""
        return default_unit(self.runs)

    def unfair(self, axis: str = "step", unit: str | None = None) -> list[str]:
        """Why curves over this axis, in this unit, can mislead; see `llm.comparison.fairness`."""
        return unfair(self.runs, axis, unit or self.unit)

    def ends(self) -> DataFrame:
        """Where each run is, what it took, and the validation loss that it reached."""
        return _frame(tables.end_rows(self.runs))

    def curves(self) -> DataFrame:
        """Each point of each curve: training, validation, and validation on all of the text."""
        return _frame(tables.curve_rows(self.runs))

    def bands(self) -> DataFrame:
        """Mean, least and greatest loss at each step of runs that differ only in their seed."""
        return _frame(tables.band_rows(self.runs))

    def verdicts(self, unit: str | None = None) -> DataFrame:
        """The lowest loss beside each other one: the difference and its error; see `llm.comparison.significance`."""
        return _frame(tables.verdict_rows(self.runs, unit or self.unit))

    def differences(self) -> DataFrame:
        """Each setting that differs, with its value in each run."""
        return _frame(tables.difference_rows(self.runs))

    def skills(self) -> DataFrame:
        """Each run's accuracy on each skill of the story world, with its standard error."""
        return _frame(tables.skill_rows(self.runs))


def compare(*runs: Path | str) -> Comparison:
    """Compare the runs in these folders.

    Raises:
        ValueError: there are not 2 to 8, one is given twice, or one is damaged.
        FileNotFoundError: one is no run.
    """
    if not 2 <= len(runs) <= len(LETTERS):
        raise ValueError(f"a comparison needs 2 to {len(LETTERS)} runs, got {len(runs)}")
    folders = [Path(run).resolve() for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if folders.count(folder) > 1:
            raise ValueError(f"a run cannot be compared with itself: {run} is given more than once")
    return Comparison(told_apart([read_run(run, letter) for run, letter in zip(runs, LETTERS, strict=False)]))


def _frame(rows: Iterable[tables.Row]) -> DataFrame:
    from pandas import DataFrame  # here: importing it takes half a second

    return DataFrame(list(rows))
