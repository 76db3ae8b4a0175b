"""Why a comparison of curves can mislead, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from llm.comparison.curves import AXES, UNITS
from llm.comparison.run import ComparedRun
from llm.training.schedule import learning_rate_multiplier

# what decides how long a step takes, beside the model
SPEED = ("device", "accelerator", "processor", "capability", "precision", "threads", "processes")


def unfair(runs: Sequence[ComparedRun], axis: str, unit: str) -> list[str]:
    """A sentence for each reason that applies to these runs, drawn over this axis and in this unit.

    Raises ValueError unless the axis is one of `AXES` and the unit one of `UNITS`.
    """
    for name, value, allowed in (("axis", axis, AXES), ("unit", unit, UNITS)):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r:.80}")
    return [
        *_other_objectives(runs),
        *_other_texts(runs),
        *_other_tokenizers(runs, unit),
        *_other_passages(runs),
        *_other_lengths(runs),
        *_not_at_the_end(runs),
        *_other_batches(runs, axis),
        *_other_machines(runs, axis),
    ]


def _other_objectives(runs: Sequence[ComparedRun]) -> Iterator[str]:
    if _differ(runs, lambda run: run.config.model.causal):
        values = _by_value(runs, lambda run: "the next token" if run.config.model.causal else "masked tokens")
        yield (f"The runs predict different things ({values}). A masked token is predicted from both sides, the next "
               "one only from what comes before it: their losses cannot be compared.")  # fmt: skip


def _other_texts(runs: Sequence[ComparedRun]) -> Iterator[str]:
    if _differ(runs, lambda run: run.text):
        values = _by_value(runs, lambda run: run.text_name)
        yield (f"The runs read different texts ({values}), and are measured on them: a loss on one text cannot be "
               "compared with a loss on another.")  # fmt: skip


def _other_tokenizers(runs: Sequence[ComparedRun], unit: str) -> Iterator[str]:
    if unit == "nats" and _differ(runs, lambda run: run.tokenizer):
        values = _by_value(runs, lambda run: run.tokenizer_name)
        yield (f"The tokenizers differ ({values}). A longer token is harder to predict, so losses per token cannot be "
               "compared: choose bits per character.")  # fmt: skip


def _other_passages(runs: Sequence[ComparedRun]) -> Iterator[str]:
    measured = [run for run in runs if run.passages is not None]
    if not _differ(runs, lambda run: run.text) and _differ(measured, lambda run: run.passages):
        values = _by_value(measured, _passages)
        yield (f"During training, validation is measured on other passages of the text ({values}): compare the figures "
               "at the end, which are measured on all of it.")  # fmt: skip


def _other_lengths(runs: Sequence[ComparedRun]) -> Iterator[str]:
    runs = [run for run in runs if run.summary.steps is not None]  # others were not trained here
    if not runs:
        return
    shortest = min(run.config.training.steps for run in runs)
    rates = {round(learning_rate_multiplier(shortest, run.config.training), 9) for run in runs}
    if len(rates) > 1 and _differ(runs, lambda run: run.config.training.steps):
        values = _by_value(runs, lambda run: f"{run.config.training.steps:,} steps")
        yield (f"The schedules have different lengths ({values}). Loss falls fastest while the learning rate falls, "
               "towards the end of a run: compare the ends of the curves, not their middles.")  # fmt: skip


def _not_at_the_end(runs: Sequence[ComparedRun]) -> Iterator[str]:
    trained = [run for run in runs if run.summary.steps is not None]
    early = [run for run in trained if (run.took.get("step") or 0) < run.config.training.steps]
    if early:
        values = _by_value(early, lambda run: f"step {run.took.get('step') or 0:,.0f} of {run.config.training.steps:,}")
        yield (f"Not every run has reached the end of its schedule ({values}): its last figures are from the middle of "
               "training.")  # fmt: skip


def _other_batches(runs: Sequence[ComparedRun], axis: str) -> Iterator[str]:
    if axis == "step" and _differ(runs, _tokens_per_step):
        values = _by_value(runs, lambda run: f"{_tokens_per_step(run):,} tokens")
        yield f"A step is not the same amount of text everywhere ({values}): compare by tokens."


def _other_machines(runs: Sequence[ComparedRun], axis: str) -> Iterator[str]:
    if axis != "seconds":
        return
    recorded = {name: partial(_condition, name) for name in SPEED}
    differing = {name: _by_value(runs, value) for name, value in recorded.items() if _differ(runs, value)}
    if differing:
        conditions = ", ".join(f"{name} ({values})" for name, values in differing.items())
        yield f"Seconds depend on where a run was computed, which differs: {conditions}. Compare by tokens or FLOPs."


def _passages(run: ComparedRun) -> str:
    passages, characters = run.passages or (None, None)
    known = ((passages, "passages"), (characters, "characters"))
    return ", ".join(f"{number:,.0f} {name}" for number, name in known if number is not None)


def _condition(name: str, run: ComparedRun) -> str:
    return run.condition(name) or "unknown"


def _tokens_per_step(run: ComparedRun) -> int:
    training = run.config.training
    return training.batch_size * training.accumulation * run.config.model.n_ctx


def _differ(runs: Sequence[ComparedRun], value: Callable[[ComparedRun], Any]) -> bool:
    return any(value(run) != value(runs[0]) for run in runs)


def _by_value(runs: Sequence[ComparedRun], shown: Callable[[ComparedRun], str]) -> str:
    """Which run has which value: "A and B: 450 steps; C: 4,500 steps"."""
    letters: dict[str, list[str]] = {}
    for run in runs:
        letters.setdefault(shown(run), []).append(run.letter)
    return "; ".join(f"{_listed(group)}: {value}" for value, group in letters.items())


def _listed(letters: Sequence[str]) -> str:
    *others, last = letters
    return f"{', '.join(others)} and {last}" if others else last
