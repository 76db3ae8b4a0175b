"""The learning rate over a run: a linear rise during warm-up, then the course of the schedule.

A schedule is a function f of the progress of the run that starts at 1 and never rises; after warm-up the learning rate
is min_lr + (1 − min_lr) · f of its peak. This module imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from llm.config import TrainingConfig
from llm.registry import Equation, Registry


@dataclass(frozen=True)
class ScheduleEntry:
    """What others need to know of a schedule."""

    label: str
    help: str  # what it does, as the end of a sentence
    formula: str  # of f, for the equation
    source: str  # the paper, or empty
    fall: Callable[[int, TrainingConfig], float]  # f in (0, 1], from the number of steps taken before
    validate: Callable[[TrainingConfig], None]  # raises ValueError for settings that it cannot work with


def learning_rate_multiplier(step: int, config: TrainingConfig) -> float:
    """The learning rate of optimizer step `step` (1 … config.steps) relative to its peak, in (0, 1].

    A schedule that falls to 0 would reach it after the last step, so that no step is spent on a rate of 0.
    """
    rise = min(1.0, step / (config.warmup * config.steps + 1))
    fall = REGISTRY[config.schedule].fall(step - 1, config)
    return min(rise, config.min_lr + (1 - config.min_lr) * fall)


def learning_rate(step: int, config: TrainingConfig) -> float:
    """AdamW's learning rate in optimizer step `step`. Raises ValueError for a config without a peak."""
    if config.learning_rate is None:
        raise ValueError("learning_rate must be a number during training, got None: use TrainingConfig.for_model")
    return learning_rate_multiplier(step, config) * config.learning_rate


def title(name: str) -> str:
    """The title of this schedule on the Code page."""
    return f"Learning rate: {REGISTRY[name].label}"


def equation(name: str) -> Equation:
    """The equation of `learning_rate_multiplier` with the schedule of this name."""
    entry = REGISTRY[name]
    return Equation(
        (
            "{rise} = min(1, step / (warmup · steps + 1))",
            f"{{fall}} = {entry.formula}",
            "{return|multiplier} = min({rise}, min_lr + (1 − min_lr) · {fall})",
        ),
        f"The learning rate rises linearly during warm-up; then it {entry.help}. Each step uses this multiple of the "
        "peak learning rate.",
        entry.source,
    )


def _cosine(done: int, config: TrainingConfig) -> float:
    warmup_steps = config.warmup * config.steps
    progress = max(0.0, done - warmup_steps) / max(1.0, config.steps - warmup_steps)
    return (1 + math.cos(math.pi * progress)) / 2


def _trapezoid(done: int, config: TrainingConfig) -> float:
    left = config.steps - done
    return min(1.0, left / (config.decay * config.steps)) if config.decay > 0 else 1.0


def _constant(done: int, config: TrainingConfig) -> float:
    return 1.0


def _decay_follows_warmup(config: TrainingConfig) -> None:
    if config.warmup + config.decay > 1:
        raise ValueError(f"decay must be at most 1 − warmup = {1 - config.warmup:g}, got {config.decay!r}")


def _anything(config: TrainingConfig) -> None:
    pass


REGISTRY: Registry[ScheduleEntry] = Registry(
    "schedule",
    {
        "cosine": ScheduleEntry(
            label="Cosine",
            help="falls along half a cosine from the end of warm-up",
            formula="(1 + cos(π · progress after warm-up)) / 2",
            source="Loshchilov & Hutter 2016, arXiv:1608.03983",
            fall=_cosine,
            validate=_anything,
        ),
        "trapezoid": ScheduleEntry(
            label="Trapezoid",
            help="stays at the peak, then falls linearly over the last part of the run (decay)",
            formula="min(1, steps left / (decay · steps))",
            source="Hägele et al. 2024, arXiv:2405.18392",
            fall=_trapezoid,
            validate=_decay_follows_warmup,
        ),
        "constant": ScheduleEntry(
            label="Constant",
            help="stays at the peak",
            formula="1",
            source="",
            fall=_constant,
            validate=_anything,
        ),
    },
)
