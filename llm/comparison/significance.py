"""Is the difference of two losses more than noise? In words, from their standard errors.

Three answers, the best that the runs allow:

over seeds     each setting was trained with several seeds: the difference of the means, with the error
               √(s²_A / n_A + s²_B / n_B) of Welch (1947), s² the variance over seeds; runs with the same seed,
               such as a run and its imported copy, count once;
paired         both runs recorded the sums of the same passages of the validation text (`PassageSums`): the mean of the
               differences, passage by passage, with its error as in `llm.training.evaluation`. What makes a passage
               hard for both cancels (Dietterich 1998, "Approximate statistical tests");
from errors    only the two losses with their standard errors are known: √(SE_A² + SE_B²), as if they had been measured
               on different passages. On the same ones it is too large, so a difference can be real and not be seen.

A difference of more than twice its error is called clear: chance alone gives such a one in about 5 of 100 cases. The
last two say nothing about what another seed would do.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from llm.comparison.bands import copies, seed_groups
from llm.comparison.curves import UNITS
from llm.comparison.run import ComparedRun
from llm.runtime.text import with_error
from llm.training.evaluation import CLEAR, ratio

NOTES = {
    "seeds": "The errors of means over seeds are from the spread of the seeds.",
    "paired": "The losses were compared passage by passage, on the same passages of the validation text.",
    "errors": "The errors are those of two separate measurements, too large for runs on the same passages: one "
    "of them is from before runs recorded each passage, or has not ended.",
}
ONE_SEED = (
    "Another seed could change the difference by more than this error: to see how much, train each setting with "
    "several seeds."
)
ONLY_SEEDS = "These runs differ only in their seeds, so the difference between them is chance."


@dataclass(frozen=True)
class LossDifference:
    """How much higher the loss of the second is than that of the first."""

    first: str  # letters of runs
    second: str
    unit: str
    difference: float
    standard_error: float
    how: str  # "seeds", "paired" or "errors"
    count: int  # of passages that were compared; 0 where that is not known

    @property
    def clear(self) -> bool:
        """Whether it is more than twice its standard error."""
        return abs(self.difference) > CLEAR * self.standard_error


def loss_difference(first: ComparedRun, second: ComparedRun, unit: str) -> LossDifference | None:
    """Of two single runs, from what they recorded at the end; None where nothing can be said.

    Both must have been measured on the same text: on all of its validation part, or else on the same passages. And both
    must predict the same: the next token, or masked ones.
    """
    names = (first.letter, second.letter, unit)
    one, other = first.passage_sums, second.passage_sums
    per = {"nats": "tokens", "bits": "characters"}[unit]
    if first.text != second.text or first.config.model.causal != second.config.model.causal:
        return None
    if one and other and one["characters"] == other["characters"] and one[per] == other[per] and len(one[per]) > 1:
        scale = {"nats": 1.0, "bits": math.log(2)}[unit]
        higher = [(after - before) / scale for before, after in zip(one["nats"], other["nats"], strict=True)]
        found = ratio(torch.tensor(higher, dtype=torch.float64), torch.tensor(one[per]))
        assert found.standard_error is not None  # there are several passages
        return LossDifference(*names, found.value, found.standard_error, "paired", len(higher))
    if (first.final is None) != (second.final is None) or (first.final is None and first.passages != second.passages):
        return None
    losses, errors = _losses((first, second), unit), _losses((first, second), f"{unit}_error")
    if len(losses) < 2 or len(errors) < 2:
        return None
    return LossDifference(*names, losses[1] - losses[0], math.hypot(*errors), "errors", 0)


def seed_difference(first: Sequence[ComparedRun], second: Sequence[ComparedRun], unit: str) -> LossDifference | None:
    """Of the means of two groups that differ within themselves only in their seeds; None if one has a single seed."""
    if min(len(first), len(second)) < 2 or first[0].text != second[0].text:
        return None
    if first[0].config.model.causal != second[0].config.model.causal:
        return None
    losses = _losses(first, unit), _losses(second, unit)
    if len(losses[0]) < len(first) or len(losses[1]) < len(second):
        return None
    lower, higher = map(statistics.mean, losses)
    error = math.sqrt(sum(statistics.variance(group) / len(group) for group in losses))
    letters = ["".join(run.letter for run in group) for group in (first, second)]
    return LossDifference(letters[0], letters[1], unit, higher - lower, error, "seeds", 0)


def _losses(runs: Sequence[ComparedRun], unit: str) -> list[float]:
    """The losses that the runs reached, or their errors, as far as they have one."""
    return [loss for run in runs if (loss := getattr(run.end, unit, None)) is not None]


def verdicts(runs: Sequence[ComparedRun], unit: str) -> Iterator[LossDifference]:
    """The setting with the lowest loss beside each of the others: over seeds where both have several."""
    measured = [group for group in seed_groups(runs) if len(_losses(group, unit)) == len(group)]
    ordered = sorted(measured, key=lambda group: statistics.mean(_losses(group, unit)))
    for group in ordered[1:]:
        best = min(ordered[0], key=lambda run: getattr(run.end, unit))
        other = min(group, key=lambda run: getattr(run.end, unit))
        found = seed_difference(ordered[0], group, unit) or loss_difference(best, other, unit)
        if found is not None:
            yield found


def sentences(runs: Sequence[ComparedRun], unit: str) -> list[str]:
    """Which runs count once, each verdict in words, then what the errors are; empty where nothing can be said."""
    found, groups = list(verdicts(runs, unit)), seed_groups(runs)
    return [
        *map(_count_once, copies(runs)),
        *map(in_words, found),
        *(note for how, note in NOTES.items() if how in {verdict.how for verdict in found}),
        *([ONE_SEED] if any(verdict.how != "seeds" for verdict in found) else []),
        *([ONLY_SEEDS] if len(groups) == 1 < len(groups[0]) else []),
    ]


def _count_once(same: Sequence[ComparedRun]) -> str:
    """That these runs are one, in a sentence."""
    *others, last = [run.letter for run in same]
    return (
        f"{', '.join(others)} and {last} have the same settings, text and seed {same[0].config.training.seed}: copies "
        "of one run, or the same training repeated. They count once."
    )


def in_words(found: LossDifference) -> str:
    """A verdict in a sentence."""
    digits = max(3, 1 - math.floor(math.log10(found.standard_error))) if found.standard_error > 0 else 3
    much = f"{with_error(abs(found.difference), found.standard_error, digits)} {UNITS[found.unit]}"
    lower, upper = (found.first, found.second) if found.difference >= 0 else (found.second, found.first)
    if found.clear:
        return f"{lower} is better than {upper}: its loss is lower by {much}, more than twice the error."
    return f"{lower} and {upper} do not differ clearly: by {much}, which chance alone could give."
