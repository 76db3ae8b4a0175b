"""Rules about the validation loss: overfitting, what it beats, and whether it is exact enough. One function a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

from llm.doctor.finding import Finding
from llm.doctor.record import CLEAR, TO_SIGMA, Measured, RunRecord, error_of_difference

FEWEST = 5  # evaluations, below which nothing is said about overfitting
NOTICEABLE = 0.02  # a rise of the validation loss, as a fraction of it
LARGE = 0.05  # such a rise
MEANINGS = {"unigram": "how often each token occurs", "bigram": "which token follows which"}


def overfitting(record: RunRecord) -> Finding | None:
    """The validation loss has risen since its best, while the training loss has fallen.

    Both were measured on the same passages, so what differs between passages is no part of the gap's error; how much
    the curve jumps from one evaluation to the next is.
    """
    trained = [measured for measured in record.evaluations if measured.step > 0]
    if len(trained) < FEWEST:
        return None
    best, last = min(trained, key=lambda measured: measured.loss), trained[-1]
    gap, error = last.loss - best.loss, math.sqrt(2) * jumps(trained)
    if gap <= max(CLEAR * error, NOTICEABLE * best.loss) or not _training_fell(record, best.step):
        return None
    kind: Literal["wrong", "hint"] = "wrong" if gap > LARGE * best.loss else "hint"
    return Finding(
        "overfitting", kind,
        f"Overfitting{'' if kind == 'wrong' else ' begins'}: the model was best at step {best.step:,}, and has since "
        "learned its training text rather than what other text has in common with it.",
        f"Its validation loss was {best.loss:.3f} then and is {last.loss:.3f} at step {last.step:,}, on the same "
        f"passages: {gap:.3f} ± {error:.3f} higher, while the training loss fell.",
        f"Write with the weights of step {best.step:,}, which are kept as the best.",
    )  # fmt: skip


def jumps(evaluations: Sequence[Measured]) -> float:
    """Standard deviation of the validation losses around their course: the robust one of second differences / √6."""
    losses = [measured.loss for measured in evaluations]
    bends = [abs(a - 2 * b + c) for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)]
    return TO_SIGMA * median(bends) / math.sqrt(6)


def above_the_lines(record: RunRecord) -> Finding | None:
    """The validation loss is above that of counting single tokens, or pairs of them."""
    measured = record.validation
    for name, meaning in MEANINGS.items():
        line = record.baselines.get(name)
        if measured is None or measured.step == 0 or line is None or not line.clearly_below(measured):
            continue
        return Finding(
            "above_the_lines", "wrong" if record.ended else "hint",
            f"The model predicts worse than the {name} line: it has not yet learned {meaning}.",
            f"Validation loss {measured} at step {measured.step:,}; {name} line {line}.",
            "Try more steps, unless another finding explains it." if record.ended else "Wait for more steps.",
        )  # fmt: skip
    return None


def below_the_lines(record: RunRecord) -> Finding | None:
    """The validation loss is below what one or two tokens of context allow by counting."""
    measured = record.validation
    for name, context in (("trigram", "two tokens"), ("bigram", "one token")):
        line = record.baselines.get(name)
        if measured is not None and line is not None and measured.clearly_below(line):
            return Finding(
                "below_the_lines", "fine",
                f"The model predicts better than the {name} line: it learned more than counting with {context} gives.",
                f"Validation loss {measured} at step {measured.step:,}; {name} line {line}.",
            )  # fmt: skip
    return None


def too_noisy(record: RunRecord) -> Finding | None:
    """The validation loss is so close to a line that its standard error hides which is lower."""
    measured = record.validation
    near = {
        name: line for name, line in record.baselines.items()
        if measured is not None and measured.step > 0 and (error := error_of_difference(measured, line)) is not None
        and abs(line.loss - measured.loss) <= CLEAR * error
    }  # fmt: skip
    if measured is None or not near:
        return None
    name, line = min(near.items(), key=lambda item: abs(item[1].loss - measured.loss))
    windows = record.config.training.eval_windows
    advice = "Try a longer text: all of the validation text was measured."
    if record.final is None:
        advice = (
            f"Wait for the end of the run, where all of the validation text is measured. In a new run, {4 * windows} "
            "passages in an evaluation (eval_windows) halve the standard error."
        )
    return Finding(
        "too_noisy", "hint", f"It is too close to call whether the model is better than the {name} line.",
        f"Validation loss {measured} and {name} line {line} differ by {abs(measured.loss - line.loss):.3f}, less than "
        f"{CLEAR} standard errors.",
        advice,
    )  # fmt: skip


VALIDATION_RULES = (overfitting, above_the_lines, too_noisy, below_the_lines)


def _training_fell(record: RunRecord, step: int) -> bool:
    """Whether the median training loss around this step is above that of the last steps."""
    count = max(5, len(record.losses) // 20)
    around = [loss for at, loss in zip(record.steps, record.losses, strict=True) if abs(at - step) <= count]
    recent = record.losses[-count:]
    return bool(around and recent) and median(recent) < median(around)
