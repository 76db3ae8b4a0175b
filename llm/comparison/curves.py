"""The loss curves of a run: by steps, tokens, seconds or operations; in nats per token or bits per character."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from llm.config import ModelConfig
from llm.costs import flops_per_token
from llm.runs.config import RunConfig

AXES: dict[str, str] = {
    "step": "Optimizer steps",
    "tokens": "Training tokens",
    "seconds": "Seconds of training",
    "flops": "Training FLOPs",
}
UNITS: dict[str, str] = {"nats": "nats per token", "bits": "bits per character"}
SMOOTHED = 25  # a mean of training losses is over one step for each so many steps before


class Point(NamedTuple):
    """A loss and where in training it was measured. What a run does not record is None."""

    step: float
    tokens: float | None  # training tokens seen
    seconds: float | None  # spent in optimizer steps: no evaluations, samples or snapshots
    flops: float | None  # see `training_flops`
    nats: float  # per token
    bits: float | None  # per character
    nats_error: float | None = None  # standard errors over passages, of validation losses
    bits_error: float | None = None


def training_flops(config: ModelConfig, tokens: float) -> float:
    """Floating-point operations of the matrix products, forward and backward, that train on so many tokens."""
    return tokens * flops_per_token(config, config.n_ctx).training


def bits_per_character(nats: float, config: RunConfig) -> float | None:
    """A loss on the training part in bits per character: nats / ln 2 · tokens / characters of that part.

    None for a run of an earlier version, which does not record how long its training part is.
    """
    names = ("train_tokens", "characters", "validation_characters", "test_characters")
    known = [number for name in names if (number := config.about(int, "text", name)) is not None]
    if len(known) < len(names):
        return None
    tokens, characters, *held_out = known
    try:
        return _finite(nats / math.log(2) * (tokens / (characters - sum(held_out))))
    except (ZeroDivisionError, OverflowError):  # the file can come from anywhere
        return None


def step_curve(rows: Iterable[dict[str, Any]], config: RunConfig) -> list[Point]:
    """The losses of the steps' batches as they are; each was measured before its step changed the weights."""
    return [_mean_point([row], config) for row in _with_loss(rows)]


def training_curve(rows: Iterable[dict[str, Any]], config: RunConfig) -> list[Point]:
    """The losses of the steps' batches, smoothed: means over consecutive steps, each drawn in the middle of its own.

    The first steps are drawn one by one; from step 2 · `SMOOTHED` on, a mean is over 1/`SMOOTHED` of the steps before
    it. So a curve has few points and little noise on a linear and on a logarithmic axis, and does not lag. Steps at the
    end that fill no block are drawn as the mean of as many of the latest steps as a block has there.
    """
    taken = _with_loss(rows)
    points: list[Point] = []
    start = 0
    while start < len(taken):
        size = max(1, taken[start]["step"] // SMOOTHED)
        block = taken[start : start + size]
        points.append(_mean_point(block if len(block) == size else taken[-size:], config))
        start += size
    return points


def validation_curve(rows: Iterable[dict[str, Any]], config: RunConfig, name: str = "evaluation") -> list[Point]:
    """What was measured on validation text; `name` is "final_evaluation" for the measurement on all of it."""
    points = []
    for row in rows:
        measured = row.get(name) or {}
        nats = _finite(measured.get("loss"))
        if nats is not None:
            bits, *errors = (
                _finite(measured.get(figure))
                for figure in ("bits_per_character", "standard_error", "bits_per_character_standard_error")
            )
            points.append(Point(*_where([row], config), nats, bits, *errors))
    return points


def reached(row: dict[str, Any], config: RunConfig) -> dict[str, float | None]:
    """How far a run had come with this row of its metrics, on each axis."""
    return dict(zip(AXES, _where([row], config), strict=True))


def _with_loss(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if _finite(row.get("loss")) is not None]


def _mean_point(rows: Sequence[dict[str, Any]], config: RunConfig) -> Point:
    nats = _mean([row["loss"] for row in rows])
    assert nats is not None  # all are finite
    return Point(*_where(rows, config), nats, bits_per_character(nats, config))


def _where(rows: Sequence[dict[str, Any]], config: RunConfig) -> tuple[float, float | None, float | None, float | None]:
    """Step, tokens, seconds and operations: the means over these rows."""
    step, tokens, seconds = (_mean([row.get(name) for row in rows]) for name in ("step", "tokens", "seconds"))
    assert step is not None  # every row has one
    return step, tokens, seconds, None if tokens is None else _finite(training_flops(config.model, tokens))


def _mean(values: Sequence[Any]) -> float | None:
    """Their mean; None if any is not a finite number."""
    finite = [number for value in values if (number := _finite(value)) is not None]
    return sum(number / len(values) for number in finite) if len(finite) == len(values) else None


def _finite(value: Any) -> float | None:
    """A number from a file that may come from anywhere; None if it is not finite."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
