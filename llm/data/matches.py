"""Matches: what of a text stands word for word in another, as in the text that a model was trained on.

A character's match is the longest stretch of the text that contains it and stands somewhere in the training text. A
model that recites has long matches. One that puts known words together in its own order has many short ones; so has
any other text in the same language, so a share of long matches says little without that of text that is certainly not
recited: held-out text of the same length.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Int

from llm.data.suffix_array import IndexedText
from llm.runtime.stepwise import stepwise

Kind = Literal["copied", "recombined", "new"]
COPIED = 50  # characters, about ten words: no shorter match counts as copied
RARE = 0.05  # nor does one that more of held-out text has
KNOWN = 8  # characters: what has only shorter matches counts as new, as it is hardly longer than a word
CONTROLS = 8  # pieces of held-out text, at most
CONTROL_CHARACTERS = 8_000  # in all of them, unless the text itself is longer
PART = 200  # positions that are searched in one go


@dataclass(frozen=True)
class Span:
    """Neighbouring characters, `start` to `end`, that have the same match, `match_start` to `match_end`."""

    start: int
    end: int
    match_start: int
    match_end: int


@dataclass(frozen=True)
class Matches:
    """The matches of all characters of a text: where they start, and how long they are (0: not even the character)."""

    start: Int[np.ndarray, " text"]
    length: Int[np.ndarray, " text"]

    def spans(self) -> list[Span]:
        """The text in spans, without a gap."""
        changes = np.flatnonzero(np.diff(self.start) | np.diff(self.length)) + 1
        bounds = [0, *changes.tolist(), len(self.start)] if len(self.start) else []
        return [
            Span(first, end, int(self.start[first]), int(self.start[first] + self.length[first]))
            for first, end in pairwise(bounds)
        ]

    def share(self, characters: int) -> float:
        """The fraction of the text that is in matches of at least so many characters."""
        return float((self.length >= characters).mean()) if len(self.length) else 0.0


@stepwise
def matches(text: str, training: IndexedText) -> Generator[None, None, Matches]:
    """Find the match of each character; of two that are equally long, the first. Yields after a few positions."""
    start = np.arange(len(text))
    length = np.zeros(len(text), dtype=np.int64)
    last_end = 0
    for first in range(len(text)):
        end = first + training.longest_match(text, first)
        if end > last_end:  # else it is a part of the match before
            own = slice(first, end)
            longer = length[own] < end - first
            start[own][longer], length[own][longer] = first, end - first
            last_end = end
        if first % PART == PART - 1:
            yield
    return Matches(start, length)


def controls(held_out: str, characters: int) -> list[str]:
    """Evenly spaced pieces of held-out text, each of so many characters; all of it if it is shorter."""
    count = max(1, min(CONTROLS, CONTROL_CHARACTERS // max(1, characters), len(held_out) // max(1, characters)))
    starts = np.linspace(0, max(0, len(held_out) - characters), count).round().astype(int)
    return [held_out[start : start + characters] for start in starts]


def mean_share(texts: Sequence[Matches], characters: int) -> float:
    """The mean of the texts' shares in matches of at least so many characters."""
    return sum(text.share(characters) for text in texts) / len(texts)


def copied_from(held_out: Sequence[Matches]) -> int:
    """The length from which on a match counts as copied: `COPIED`, or what only `RARE` of held-out text reaches.

    In a text that repeats its own phrases, long matches are no sign of reciting.
    """
    lengths = np.sort(np.concatenate([text.length for text in held_out]))  # [characters]
    longest_usual = int(lengths[len(lengths) - 1 - int(RARE * len(lengths))]) if len(lengths) else 0
    return max(COPIED, longest_usual + 1)


def kind(length: int, copied: int) -> Kind:
    """What the length of a match says, when matches from `copied` characters on count as copied."""
    return "copied" if length >= copied else "recombined" if length >= KNOWN else "new"
