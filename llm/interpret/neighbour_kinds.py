"""Whether tokens of one kind, such as numbers, cluster in the embedding: the kind of each nearest neighbour."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from llm.interpret.nearest_tokens import nearest_tokens
from llm.model import Transformer
from llm.runtime.stepwise import stepwise


@dataclass(frozen=True)
class NeighbourKinds:
    """The fraction of tokens whose nearest neighbour is of their own kind, and what it would be by chance."""

    same: float
    chance: float


@stepwise
def neighbour_kinds(
    model: Transformer, kinds: Sequence[int], tokens: Sequence[int]
) -> Generator[None, None, NeighbourKinds]:
    """How often the nearest neighbour (`nearest_tokens`) of these tokens is of the same kind.

    same = fraction of `tokens` t with kinds[nearest(t)] = kinds[t];  chance = mean over `tokens` of the fraction of all
    other tokens that are of the same kind. `kinds` holds the kind of every token in the vocabulary; `tokens` holds at
    least one token. Yields after each of `tokens`.

    Raises:
        ValueError: a token outside the vocabulary.
    """
    kind_sizes = np.bincount(kinds)  # [kind]
    same, chances = 0, []
    for token in tokens:
        for neighbour in nearest_tokens(model, token, 1).tokens.tolist():  # a vocabulary of one token has none
            same += kinds[token] == kinds[neighbour]
        chances.append((kind_sizes[kinds[token]] - 1) / max(1, len(kinds) - 1))
        yield
    return NeighbourKinds(same / len(tokens), float(np.mean(chances)))
