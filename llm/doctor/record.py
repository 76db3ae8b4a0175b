"""What the doctor knows of a run: its configuration, and what was measured in each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from llm.runs.config import RunConfig
from llm.runs.folder import RunFolder
from llm.runtime.text import with_error

LINES = ("unigram", "bigram", "trigram")
CLEAR = 2  # standard errors by which a loss must differ from a line
LARGEST = 1e100  # of a measured number
TO_SIGMA = 1.4826  # from the median of absolute deviations of normal numbers to their standard deviation


class Measured(NamedTuple):
    """A loss in nats per token, its standard error (None from a single passage), and the step (of lines: 0)."""

    loss: float
    error: float | None
    step: int = 0

    def __str__(self) -> str:
        return with_error(self.loss, self.error)

    def clearly_below(self, other: Measured) -> bool:
        """Whether it is lower by more than `CLEAR` standard errors; without them nothing is clear."""
        error = error_of_difference(self, other)
        return error is not None and other.loss - self.loss > CLEAR * error


def error_of_difference(one: Measured, other: Measured) -> float | None:
    """At most the standard error of their difference: as if they were measured on different texts."""
    return None if one.error is None or other.error is None else math.hypot(one.error, other.error)


class BlockMean(NamedTuple):
    """The mean training loss over consecutive steps, its standard error, and the last of these steps."""

    loss: float
    error: float
    step: int

    def __str__(self) -> str:
        return with_error(self.loss, self.error)


@dataclass(frozen=True)
class RunRecord:
    """A run as the rules read it; steps whose loss is not a finite number are left out."""

    id: str
    config: RunConfig
    state: str
    message: str  # why it ended
    step: int  # the last one
    steps: list[int]  # of the four lists below
    losses: list[float]
    grad_norms: list[float]
    layer_norms: list[dict[str, float]]
    evaluations: list[Measured]  # on the same passages each time
    final: Measured | None  # on all of the validation text
    baselines: dict[str, Measured]  # unigram, bigram, trigram, on the text of `validation`

    @property
    def validation(self) -> Measured | None:
        """The last validation loss: of a finished run on all of the text."""
        return self.final or (self.evaluations[-1] if self.evaluations else None)

    @property
    def ended(self) -> bool:
        """Whether the run took all of its steps."""
        return self.state == "finished"

    @property
    def warm(self) -> int:
        """How many of the measured steps were taken during warm-up."""
        end = self.config.training.warmup * self.config.training.steps
        return sum(step <= end for step in self.steps)

    def block_means(self, count: int) -> list[BlockMean]:
        """The losses after warm-up in `count` blocks of equal length; each block needs a step."""
        losses = self.losses[self.warm :]
        size = len(losses) // count
        error = noise(losses) / math.sqrt(size)
        ends = range(len(self.losses) - size * (count - 1), len(self.losses) + 1, size)
        return [BlockMean(fmean(self.losses[end - size : end]), error, self.steps[end - 1]) for end in ends]


def noise(losses: Sequence[float]) -> float:
    """Standard deviation of a single step's loss around its course: the robust one of differences of neighbours / √2.

    A slow fall hardly changes these differences, and a spike hardly changes their median.
    """
    changes = [abs(after - before) for before, after in pairwise(losses)]
    return TO_SIGMA * median(changes) / math.sqrt(2) if changes else 0.0


def read_record(path: Path) -> RunRecord:
    """The record of the run in this folder. Raises FileNotFoundError or ValueError."""
    folder = RunFolder(path)
    config, status = folder.config(), folder.status()
    rows = [row for row in folder.read_metrics().rows if row["step"] is not None]
    taken = [row for row in rows if _finite(row.get("loss")) is not None]
    of_all = _baselines(config, "baselines_of_all")  # older runs have none: there the last evaluation is compared
    final = next((found for row in rows[-1:] if of_all and (found := _measured(row, "final_evaluation"))), None)
    return RunRecord(
        id=folder.id,
        config=config,
        state=status.state,
        message=status.message,
        step=rows[-1]["step"] if rows else 0,
        steps=[row["step"] for row in taken],
        losses=[float(row["loss"]) for row in taken],
        grad_norms=[_finite(row.get("grad_norm")) or 0.0 for row in taken],
        layer_norms=[row.get("grad_norms") or {} for row in taken],
        evaluations=[found for row in rows if (found := _measured(row, "evaluation"))],
        final=final,
        baselines=of_all if final is not None else _baselines(config, "baselines"),
    )


def _baselines(config: RunConfig, key: str) -> dict[str, Measured]:
    known = {}
    for name in LINES:
        loss = _finite(config.about(float, key, name))
        if loss is not None:
            known[name] = Measured(loss, _finite(config.about(float, key, f"{name}_standard_error")))
    return known


def _measured(row: dict[str, Any], name: str) -> Measured | None:
    evaluation = row.get(name) or {}
    loss = _finite(evaluation.get("loss"))
    return None if loss is None else Measured(loss, _finite(evaluation.get("standard_error")), row["step"])


def _finite(value: Any) -> float | None:
    """A number whose sums and squares are finite, too: the file can come from anywhere."""
    return float(value) if isinstance(value, int | float) and abs(value) < LARGEST else None
