"""Baselines: predictors without a network, which only count the training part.

An n-gram model takes the last n − 1 tokens, the context h, and asks how often each token w followed it. Most n-grams of
a text occur once and most possible ones never, so raw frequencies c(h w) / c(h) would give probability 0 to many
n-grams of the validation text. Kneser-Ney smoothing subtracts a discount D from each count and gives the freed
probability to the shorter context h′, the context without its oldest token (interpolation):

    p(w | h) = (c(h w) − D(c(h w))) / c(h) + γ(h) p(w | h′),    γ(h) = Σ over w seen after h of D(c(h w)) / c(h)

with the first term 0 if h w was never seen, and p(w | h) = p(w | h′) if h was never seen. Below the shortest context
is the uniform distribution 1 / d_vocab, so that no token has probability 0.

Kneser & Ney: the distribution p(w | h′) matters where h w is rare. So it counts not how often h′ w occurs, but after
how many different tokens: "Francisco" is frequent, but only after "San", and is unlikely after anything else. In all
orders but the highest, c(h′ w) is the number of distinct v with v h′ w in the text, and c(h′) their sum.

Chen & Goodman: three discounts for each order ("modified"), for counts of 1, 2, and 3 or more, estimated from n_k, the
number of n-grams that are counted k times:

    Y = n_1 / (n_1 + 2 n_2),    D(k) = k − (k + 1) Y n_{k+1} / n_k,    k = 1, 2, 3

Sources: Kneser & Ney 1995, Improved backing-off for m-gram language modeling; Chen & Goodman 1999, An empirical study
of smoothing techniques for language modeling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.data.passages import Passages
from llm.training.evaluation import ratio


@dataclass(frozen=True)
class Baselines:
    """Losses of four predictors without a network, in nats per token.

    uniform: every token equally likely. unigram: by how often each token occurs. bigram: by how often it follows the
    token before. trigram: by how often it follows the two tokens before. The counts are those of the training part,
    smoothed by `kneser_ney`. The standard errors are defined in `llm.training.evaluation`.
    """

    uniform: float
    unigram: float
    bigram: float
    trigram: float
    unigram_standard_error: float | None
    bigram_standard_error: float | None
    trigram_standard_error: float | None
    uniform_bits_per_character: float
    unigram_bits_per_character: float
    bigram_bits_per_character: float
    trigram_bits_per_character: float


def measure_baselines(
    train: Int[Tensor, " tokens"], passages: Passages, choices: Sequence[Int[Tensor, " chosen"]], d_vocab: int
) -> list[Baselines]:
    """The baselines on each choice of passages.

    The context goes back over their beginnings, so that only the text's first tokens have less of it.
    """
    before = torch.full((2,), d_vocab)  # no tokens
    trigrams = torch.cat([before, passages.tokens.long()]).unfold(0, 3, 1)  # [tokens, 3]
    nats = [
        passages.sums(-kneser_ney(train, trigrams[:, -order:], d_vocab).log())  # [passages]
        for order in (1, 2, 3)
    ]
    return [_on(chosen, passages, nats, d_vocab) for chosen in choices]


def _on(
    chosen: Int[Tensor, " chosen"], passages: Passages, nats: list[Float[Tensor, " passages"]], d_vocab: int
) -> Baselines:
    tokens = passages.starts.diff()[chosen]  # [chosen]
    losses = [ratio(of_order[chosen], tokens) for of_order in nats]
    values = (math.log(d_vocab), *(loss.value for loss in losses))
    to_bits = tokens.sum().item() / passages.characters[chosen].sum().item() / math.log(2)
    return Baselines(*values, *(loss.standard_error for loss in losses), *(value * to_bits for value in values))


def kneser_ney(
    train: Int[Tensor, " tokens"], n_grams: Int[Tensor, "n_grams order"], d_vocab: int
) -> Float[Tensor, " n_grams"]:
    """Probability of the last token of each n-gram after the ones before it: interpolated modified Kneser-Ney.

    `train` is counted sparsely: a vocabulary of 50,000 needs no table of 50,000². The id d_vocab in a context stands
    for no token, before the beginning of a text.
    """
    base = d_vocab + 1
    order = n_grams.shape[1]
    probability = torch.full((len(n_grams),), 1 / d_vocab, dtype=torch.float64)  # [n_grams]
    for n in range(1, order + 1):
        if n == order:
            kinds, counts = count_n_grams(train, n, base)
        else:  # each n-gram once for each distinct token before it
            longer, _ = count_n_grams(train, n + 1, base)
            kinds, counts = _kinds_and_counts(longer % base**n)
        wanted = _as_numbers(n_grams[:, -n:].unbind(1), base)
        probability = _interpolated(kinds, counts, wanted, probability, base)
    return probability


def discounts(counts: Int[Tensor, " n_grams"]) -> Float[Tensor, " 3"]:
    """What is taken from counts of 1, 2, and 3 or more: Chen & Goodman's estimates, from the counts of one order.

    Too few n-grams give no estimate, or one that is not positive. Then it is half of 1, 2 and 3, as in KenLM (Heafield
    et al. 2013, Scalable modified Kneser-Ney language model estimation).
    """
    n = torch.bincount(counts.clamp(max=5), minlength=6)[1:5].double()  # n_1 to n_4
    k = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    estimated = k - (k + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:3]
    return estimated if n.all() and (estimated > 0).all() else k / 2


def _interpolated(
    kinds: Int[Tensor, " kinds"],
    counts: Int[Tensor, " kinds"],
    wanted: Int[Tensor, " n_grams"],
    shorter: Float[Tensor, " n_grams"],
    base: int,
) -> Float[Tensor, " n_grams"]:
    """Probabilities of the `wanted` n-grams from the counts of each kind and from those `shorter` by a token."""
    if not len(kinds):  # the training part is shorter than an n-gram
        return shorter
    taken = discounts(counts)[counts.clamp(max=3) - 1]  # [kinds]
    contexts, context_of = torch.unique_consecutive(kinds // base, return_inverse=True)  # [contexts], [kinds]
    occurrences = torch.bincount(context_of, weights=counts.double())  # [contexts]
    freed = torch.bincount(context_of, weights=taken)  # [contexts]

    total = _look_up(wanted // base, contexts, occurrences)  # [n_grams]
    kept = _look_up(wanted, kinds, counts - taken)  # [n_grams]
    to_shorter = _look_up(wanted // base, contexts, freed)  # [n_grams]
    return torch.where(total > 0, (kept + to_shorter * shorter) / total, shorter)


def count_n_grams(
    tokens: Int[Tensor, " tokens"], n: int, base: int, part: int = 2**19
) -> tuple[Int[Tensor, " kinds"], Int[Tensor, " kinds"]]:
    """The distinct n-grams in ascending order, each as a number, and how often each occurs.

    A text is counted in parts: sorting all of its n-grams at once would take a hundred bytes for each token. Counts are
    added up once they have as many n-grams as the sum so far, so that few n-grams are added twice.
    """
    total = torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64)
    parts: list[tuple[Tensor, Tensor]] = []
    for start in range(0, len(tokens) - n + 1, part):
        end = min(start + part, len(tokens) - n + 1)
        columns = [tokens[start + first : end + first].long() for first in range(n)]
        parts.append(_kinds_and_counts(_as_numbers(columns, base)))
        if sum(len(kinds) for kinds, _ in parts) >= len(total[0]):
            total, parts = _added_up([total, *parts]), []
    return _added_up([total, *parts])


def _kinds_and_counts(numbers: Int[Tensor, " n_grams"]) -> tuple[Int[Tensor, " kinds"], Int[Tensor, " kinds"]]:
    """NumPy's unique, which takes a tenth of the memory of torch's."""
    kinds, counts = np.unique(numbers.numpy(), return_counts=True)
    return torch.from_numpy(kinds), torch.from_numpy(counts)


def _added_up(
    parts: list[tuple[Int[Tensor, " kinds"], Int[Tensor, " kinds"]]],
) -> tuple[Int[Tensor, " all_kinds"], Int[Tensor, " all_kinds"]]:
    """The counts of all parts together."""
    kinds, counts = (torch.cat(column) for column in zip(*parts, strict=True))
    every_kind, index = np.unique(kinds.numpy(), return_inverse=True)
    added_up = torch.zeros(len(every_kind), dtype=torch.int64).index_add_(0, torch.from_numpy(index), counts)
    return torch.from_numpy(every_kind), added_up


def _as_numbers(columns: Sequence[Int[Tensor, " n_grams"]], base: int) -> Int[Tensor, " n_grams"]:
    """Each n-gram as one number whose digits are its tokens: 64 bits hold a trigram of two million different tokens."""
    number = torch.zeros_like(columns[0])
    for column in columns:
        number = number * base + column
    return number


def _look_up(
    wanted: Int[Tensor, " n_grams"], keys: Int[Tensor, " keys"], values: Float[Tensor, " keys"]
) -> Float[Tensor, " n_grams"]:
    """The value of each wanted key, 0 if it is not among the sorted `keys`."""
    index = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[index] == wanted, values[index], 0)
