"""Skills of a model: which of two continuations it finds more probable, when only one is possible.

minimal-pair accuracy = fraction of pairs with Σ log p(right) > Σ log p(wrong), the sums over the tokens of each
continuation. Guessing gives 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from llm.layers.mask import require_causal
from llm.loss import token_losses
from llm.runtime.evaluation_mode import evaluating
from llm.tokenizers import Tokenizer
from llm.world.asking import SKILLS, Probe, first_probes
from llm.world.checker import check

_ROWS = 64  # sequences in a forward pass
BEGINNING = 20_000  # characters read to recognise the world's text
_LEAST_FRACTION = 0.9
Z = 1.96  # standard deviations to both sides of the mean that hold 95% of a normal distribution


@dataclass(frozen=True)
class SkillScore:
    """How many pairs of a skill a model gets right."""

    accuracy: float
    standard_error: float  # see `standard_error`
    low: float  # see `interval`
    high: float
    pairs: int


def standard_error(accuracy: float, pairs: int) -> float:
    """√(a (1 − a) / n) as if two more pairs had been right and two more wrong (Agresti & Coull 1998).

    So it is above 0 even where all pairs were right, and the interval of twice its width is about a 95% interval.
    """
    n = pairs + 4
    a = (accuracy * pairs + 2) / n
    return math.sqrt(a * (1 - a) / n)


def interval(accuracy: float, pairs: int) -> tuple[float, float]:
    """From where to where the fraction that this accuracy estimates lies: the 95% interval of Wilson (1927).

    (a + z² / 2n ± z √(a (1 − a) / n + z² / 4n²)) / (1 + z² / n), with z = 1.96. It stays within 0 and 1, and has
    a width where all pairs were right (Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion").
    """
    part = Z**2 / pairs
    half = Z * math.sqrt(accuracy * (1 - accuracy) / pairs + part / (4 * pairs))
    return max(0.0, (accuracy + part / 2 - half) / (1 + part)), min(1.0, (accuracy + part / 2 + half) / (1 + part))


def in_percent(accuracy: float, pairs: int) -> str:
    """An accuracy with its interval, as in "90% (60–98)"."""
    low, high = interval(accuracy, pairs)
    return f"{100 * accuracy:.0f}% ({100 * low:.0f}–{100 * high:.0f})"


def looks_like_guessing(accuracy: float, pairs: int) -> bool:
    """Whether guessing could give this accuracy: it is within two of guessing's standard errors of one half."""
    return abs(accuracy - 0.5) <= 2 * standard_error(0.5, pairs)


@dataclass(frozen=True)
class _Continuation:
    """Input and targets of a continuation; the targets belong to the last positions."""

    inputs: tuple[int, ...]
    targets: list[int]


def is_world_text(text: str) -> bool:
    """Whether a text is from the story world: nearly all sentences of its beginning are well-formed."""
    return check(text[:BEGINNING]).well_formed_fraction >= _LEAST_FRACTION


def skills(
    model: nn.Module, tokenizer: Tokenizer, count: int = 50, seed: int = 0, names: Iterable[str] = SKILLS
) -> dict[str, SkillScore]:
    """The accuracy of a model on `count` pairs of each skill; see the module.

    `model` gives logits [batch, pos, d_vocab] for tokens [batch, pos]; if it has a `config.n_ctx`, longer contexts are
    cut to their end. A skill whose pairs the tokenizer cannot encode is left out.

    Raises:
        ValueError: an unknown skill, a count below 1, or a model that does not predict the next token.
    """
    if (config := getattr(model, "config", None)) is not None:
        require_causal(config, "tell which of two continuations is likelier")
    if count < 1:
        raise ValueError(f"count must be 1 or more, got {count}")
    n_ctx = getattr(config, "n_ctx", None)
    asked: dict[str, list[tuple[_Continuation, _Continuation]]] = {}
    for name in names:
        pairs = first_probes(name, count, seed)
        try:
            asked[name] = [_encoded(pair, tokenizer, n_ctx) for pair in pairs]
        except ValueError:  # a character that the tokenizer does not know
            continue
    wanted = [continuation for pairs_of_name in asked.values() for pair in pairs_of_name for continuation in pair]
    likelihoods = iter(_log_likelihoods(model, wanted))
    scores = {}
    for name, pairs_of_name in asked.items():
        right = sum(next(likelihoods) > next(likelihoods) for _ in pairs_of_name)
        tested = len(pairs_of_name)
        accuracy = right / tested
        scores[name] = SkillScore(accuracy, standard_error(accuracy, tested), *interval(accuracy, tested), tested)
    return scores


def _encoded(pair: Probe, tokenizer: Tokenizer, n_ctx: int | None) -> tuple[_Continuation, _Continuation]:
    """Both continuations; their inputs are equal if each is a single token."""
    context = tokenizer.encode(pair.context)
    right, wrong = (tokenizer.encode(text) for text in (pair.right, pair.wrong))
    if n_ctx is not None:
        context = context[-max(1, n_ctx + 1 - max(len(right), len(wrong))) :]
    last = -(n_ctx or 0)  # a continuation of more than n_ctx tokens is cut to its end, too
    return (
        _Continuation((*context, *right[:-1])[last:], right[last:]),
        _Continuation((*context, *wrong[:-1])[last:], wrong[last:]),
    )


@torch.no_grad()
def _log_likelihoods(model: nn.Module, wanted: Sequence[_Continuation]) -> list[float]:
    """Σ log p of each continuation.

    Equal inputs are run once. Inputs of similar length share a batch and are padded at the end, where none of their
    positions can attend.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    indices_of: dict[tuple[int, ...], list[int]] = {}
    for index, continuation in enumerate(wanted):
        indices_of.setdefault(continuation.inputs, []).append(index)
    rows = sorted(indices_of, key=len)
    result = [0.0] * len(wanted)
    with evaluating(model):
        for first in range(0, len(rows), _ROWS):
            batch = rows[first : first + _ROWS]
            width = len(batch[-1])
            logits = model(torch.tensor([[*row, *[0] * (width - len(row))] for row in batch], device=device))
            elements = [
                (row_index, index, len(row) - len(wanted[index].targets) + offset, target)
                for row_index, row in enumerate(batch)
                for index in indices_of[row]
                for offset, target in enumerate(wanted[index].targets)
            ]
            row_indices, _, positions, targets = (list(column) for column in zip(*elements, strict=True))
            losses = token_losses(logits[row_indices, positions], torch.tensor(targets)).tolist()  # [token]
            for (_, index, _, _), loss in zip(elements, losses, strict=True):
                result[index] -= loss
    return result
