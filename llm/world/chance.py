"""Random choices that are the same on every platform and Python version.

Only `random.Random(seed).random()` is used: Python promises its sequence for a given seed, but not the algorithms of
`choice`, `sample` or `shuffle`.
"""

from __future__ import annotations

import bisect
import itertools
import math
import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Chance:
    """A seeded source of random choices. `bits` sums their information: Σ −log2 p of each choice."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.bits = 0.0

    def happens(self, probability: float = 0.5) -> bool:
        """True with this probability."""
        outcome = self._random.random() < probability
        self.bits -= math.log2(probability if outcome else 1 - probability)
        return outcome

    def number(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        self.bits += math.log2(high - low + 1)
        return low + int(self._random.random() * (high - low + 1))

    def pick(self, items: Sequence[Item]) -> Item:
        """One of `items`, each equally likely."""
        return items[self.number(0, len(items) - 1)]

    def favour(self, items: Sequence[Item], evenly: int = 0) -> Item:
        """One of `items`, earlier ones with a higher probability, like words in a language: p ∝ 1 / (rank + evenly).

        Zipf's law, or Mandelbrot's with `evenly`: then the first items differ less.
        """
        weights = [1_000_000 // (rank + evenly) for rank in range(1, len(items) + 1)]
        ends = list(itertools.accumulate(weights))
        chosen = bisect.bisect_right(ends, int(self._random.random() * ends[-1]))
        self.bits -= math.log2(weights[chosen] / ends[-1])
        return items[chosen]

    def several(self, items: Sequence[Item], count: int) -> list[Item]:
        """`count` distinct elements of `items`, in random order."""
        remaining = list(items)
        return [remaining.pop(self.number(0, len(remaining) - 1)) for _ in range(count)]
