"""Suffix array: where every suffix of a text starts, in alphabetical order of the suffixes (Manber & Myers 1993).

All places where some characters stand are then neighbours in the array, and two binary searches find them:

    text          b a n a n a            suffixes in order    a  ana  anana  banana  na  nana
    index         0 1 2 3 4 5            suffix array         5   3     1      0      4    2

Sorted by prefix doubling: once all suffixes are in order by their first k characters, the order by the first 2k follows
from pairs of ranks, that of the first k characters and that of the k after them. So about log2(longest repetition)
sorts of numbers suffice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Generator

import numpy as np
from jaxtyping import Int

from llm.runtime.stepwise import stepwise

FIRST_REACH = 64  # characters compared at first; doubled as long as a match is longer


@stepwise
def suffix_array(text: str) -> Generator[float, None, Int[np.ndarray, " text"]]:
    """The suffix array. Yields after each sort which fraction of the suffixes is in its final order."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)  # [text]
    characters, rank = np.unique(codes, return_inverse=True)
    rank = rank.astype(np.int64) + 1  # [text]; 0 is left for what comes after the end
    # as many characters as fit into 63 bits are compared as one number: that saves the first sorts
    bits, sorted_by = len(characters).bit_length(), 1
    while 2 * sorted_by * bits < 64 and sorted_by < len(text):
        rank = (rank << (sorted_by * bits)) | _shifted(rank, sorted_by)
        sorted_by *= 2
    order, rank = _ranked(rank)
    while len(text) and (in_order := int(rank.max())) < len(text):
        yield in_order / len(text)
        order, rank = _ranked(rank * (in_order + 1) + _shifted(rank, sorted_by))
        sorted_by *= 2
    return order.astype(np.int32)


def _shifted(rank: Int[np.ndarray, " text"], by: int) -> Int[np.ndarray, " text"]:
    """For each suffix the rank of the one that starts `by` characters later; 0 beyond the end."""
    later = np.zeros_like(rank)
    later[:-by] = rank[by:]
    return later


def _ranked(key: Int[np.ndarray, " text"]) -> tuple[Int[np.ndarray, " text"], Int[np.ndarray, " text"]]:
    """The order of the keys, and each key's rank from 1 on; equal keys have equal ranks."""
    order = np.argsort(key)  # [text]
    in_order = key[order]
    rank = np.empty_like(key)
    rank[order] = np.cumsum(np.concatenate([[1], in_order[1:] != in_order[:-1]])[: len(key)])
    return order, rank


class IndexedText:
    """A text in which any characters are found at once."""

    def __init__(self, text: str, array: Int[np.ndarray, " text"]) -> None:
        self.text = text
        self._array = array

    @stepwise
    @staticmethod
    def build(text: str) -> Generator[float, None, IndexedText]:
        """Sort the suffixes; yields as `suffix_array`."""
        return IndexedText(text, (yield from suffix_array.steps(text)))

    def longest_match(self, wanted: str, start: int = 0) -> int:
        """The most characters of `wanted`, from index `start` on, that stand somewhere in the text."""
        reach = FIRST_REACH
        while True:
            piece = wanted[start : start + reach]
            place = bisect_left(self._array, piece, key=lambda suffix: self.text[suffix : suffix + reach])
            # of all suffixes, the two that would be its neighbours in the order share the most with it
            neighbours = self._array[max(0, place - 1) : place + 1]
            length = max((_common(piece, self.text[at : at + reach]) for at in neighbours), default=0)
            if length < reach:
                return length
            reach *= 2

    def occurrences(self, wanted: str) -> Int[np.ndarray, " found"]:
        """Where `wanted` starts in the text, first to last."""

        def beginning(suffix: int) -> str:
            return self.text[suffix : suffix + len(wanted)]

        first = bisect_left(self._array, wanted, key=beginning)
        return np.sort(self._array[first : bisect_right(self._array, wanted, lo=first, key=beginning)])


def _common(one: str, other: str) -> int:
    """The length of the longest common beginning."""
    return next((index for index, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
                min(len(one), len(other)))  # fmt: skip
