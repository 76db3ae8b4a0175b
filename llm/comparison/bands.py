"""Runs that differ in nothing but their seed: what chance does to a curve, as its mean and range."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from llm.comparison.curves import Point
from llm.comparison.run import ComparedRun


class BandPoint(NamedTuple):
    """Mean, least and greatest loss of several runs at one step. What not all of them record is None."""

    step: float
    tokens: float | None
    seconds: float | None
    flops: float | None
    nats: float
    nats_low: float
    nats_high: float
    bits: float | None
    bits_low: float | None
    bits_high: float | None


def seed_groups(runs: Sequence[ComparedRun]) -> list[list[ComparedRun]]:
    """The runs in groups, in order: in one group are those that differ in nothing but their seed, one for each seed.

    Their model, training, text, tokenizer and number format are the same; machine, threads and versions may differ.
    Of several runs with one seed (`copies`) only the one that came furthest is in the group: more of them say no more.
    """
    return [[_furthest(same) for same in by_seed] for by_seed in _by_seed(runs)]


def copies(runs: Sequence[ComparedRun]) -> list[list[ComparedRun]]:
    """Runs with the same settings, text and seed: the same run exported and imported, or trained more than once."""
    return [same for by_seed in _by_seed(runs) for same in by_seed if len(same) > 1]


def _by_seed(runs: Sequence[ComparedRun]) -> list[list[list[ComparedRun]]]:
    """For each setting, for each of its seeds, the runs."""
    groups: dict[Hashable, dict[int, list[ComparedRun]]] = {}
    for run in runs:
        training = dataclasses.replace(run.config.training, seed=0)
        origin = str(run.config.about(dict, "branched"))  # where it went on from another run
        elsewhere = run.letter if run.summary.steps is None else ""  # how it was trained is not known
        same = run.config.model, training, run.text, run.tokenizer, run.condition("precision"), origin, elsewhere
        groups.setdefault(same, {}).setdefault(run.config.training.seed, []).append(run)
    return [list(by_seed.values()) for by_seed in groups.values()]


def _furthest(same: Sequence[ComparedRun]) -> ComparedRun:
    """The run that came furthest, of several the first."""
    return max(same, key=lambda run: (run.final is not None, run.took.get("step") or 0))


def band(curves: Sequence[Sequence[Point]]) -> list[BandPoint]:
    """Mean and range of several curves at the steps that all of them have."""
    by_step = [{point.step: point for point in curve} for curve in curves]
    common = [step for step in by_step[0] if all(step in points for points in by_step)]
    return [_band_point([points[step] for points in by_step]) for step in common]


def _band_point(points: Sequence[Point]) -> BandPoint:
    tokens, seconds, flops, bits = (
        _summary([getattr(point, name) for point in points]) for name in ("tokens", "seconds", "flops", "bits")
    )
    nats = [point.nats for point in points]
    mean = sum(nats) / len(nats)
    return BandPoint(points[0].step, tokens[0], seconds[0], flops[0], mean, min(nats), max(nats), *bits)


def _summary(values: Sequence[float | None]) -> tuple[float | None, float | None, float | None]:
    """Mean, least and greatest; None if any is unknown."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None, None, None
    return sum(known) / len(known), min(known), max(known)
