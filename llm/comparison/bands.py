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
    """The runs in groups, in order: in one group are those that differ in nothing but their seed.

    Their model, training, text, tokenizer and number format are the same; machine, threads and versions may differ.
    """
    groups: dict[Hashable, list[ComparedRun]] = {}
    for run in runs:
        training = dataclasses.replace(run.config.training, seed=0)
        origin = str(run.config.about(dict, "branched"))  # where it went on from another run
        same = run.config.model, training, run.text, run.tokenizer, run.condition("precision"), origin
        groups.setdefault(same, []).append(run)
    return list(groups.values())


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
