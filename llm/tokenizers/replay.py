"""Byte-pair encoding step by step: which pairs a text has, which of them is merged next, and why.

Training merges the most frequent pair, again and again, and writes the merges down in that order. Encoding merges the
pair that was written down first, again and again; how often a pair occurs in the text no longer matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from llm.tokenizers import saved_kind
from llm.tokenizers.base import Merge, Tokenizer, require_valid_unicode
from llm.tokenizers.bpe import N_BYTES, BpeTokenizer, chunks_of

MAX_CHARACTERS = 400  # of a text that is replayed: every step holds the whole text

Chunks = tuple[tuple[int, ...], ...]  # the tokens of each chunk; merges stay inside a chunk


class Pair(NamedTuple):
    """Two tokens that are neighbours in the text."""

    left: int
    right: int
    occurrences: int  # how often they are neighbours in this text now
    merge: int | None  # the number of the merge that joins them, from 1 on in the order of training; None: no merge
    training_count: int | None  # how often they were neighbours in the training text at that merge; None: not known


Choice = tuple[list[Pair], Merge | None]  # the pairs in their order, and the merge of the first of them


class Step(NamedTuple):
    """The text before a merge."""

    chunks: Chunks
    pairs: tuple[Pair, ...]  # the next to be merged first
    merge: Merge | None  # the next one; None after the last

    @property
    def tokens(self) -> list[int]:
        """The tokens of the whole text."""
        return [token for chunk in self.chunks for token in chunk]


@dataclass(frozen=True)
class Replay:
    """All steps from the bytes of a text to its tokens."""

    tokenizer: Tokenizer
    steps: tuple[Step, ...]


class NothingToReplayError(ValueError):
    """A tokenizer merges nothing, or does not say what."""


def replay_encoding(tokenizer: Tokenizer, text: str, training_counts: Sequence[int] = ()) -> Replay:
    """Encode a text as `tokenizer` does, merge by merge: at each step the pair whose merge was learned first.

    Args:
        tokenizer: its `merges` are applied.
        text: at most 400 characters.
        training_counts: `tokenizer.merge_counts` of the training text, to show beside each merge.

    Raises NothingToReplayError for a kind that has no merges, and ValueError for a longer text.
    """
    if (merges := tokenizer.merges) is None:
        how = saved_kind(tokenizer.kind).nothing_to_replay
        problem = f"The {tokenizer.kind} tokenizer merges nothing, so there is nothing to replay. {how}"
        raise NothingToReplayError(problem)
    number_of = {(merge.left, merge.right): number for number, merge in enumerate(merges, 1)}
    known = dict(enumerate(training_counts, 1))

    def choose(counts: Counter[tuple[int, int]]) -> Choice:
        numbers = {pair: number_of.get(pair) for pair in counts}
        pairs = [Pair(*pair, counts[pair], number, known.get(number or 0)) for pair, number in numbers.items()]
        pairs.sort(key=lambda pair: (pair.merge is None, pair.merge or 0, -pair.occurrences, pair.left, pair.right))
        return pairs, merges[pairs[0].merge - 1] if pairs and pairs[0].merge else None

    return Replay(tokenizer, tuple(_steps(text, _byte_tokens(tokenizer), choose)))


def replay_training(text: str) -> Replay:
    """Learn merges from a text, until no pair occurs twice: at each step the most frequent pair.

    Raises ValueError for a text of more than 400 characters.
    """
    merges: list[Merge] = []

    def choose(counts: Counter[tuple[int, int]]) -> Choice:
        frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        pairs = [Pair(*pair, count, None, None) for pair, count in frequent]
        if not pairs or pairs[0].occurrences < 2:
            return pairs, None
        merges.append(Merge(pairs[0].left, pairs[0].right, new=N_BYTES + len(merges)))
        return [pairs[0]._replace(merge=len(merges), training_count=pairs[0].occurrences), *pairs[1:]], merges[-1]

    steps = tuple(_steps(text, range(N_BYTES), choose))
    return Replay(BpeTokenizer(merges), steps)


def _steps(
    text: str, byte_tokens: Sequence[int], choose: Callable[[Counter[tuple[int, int]]], Choice]
) -> Iterator[Step]:
    """The text before each merge and after the last one."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"A replay shows at most {MAX_CHARACTERS} characters, got {len(text):,}: shorten the text")
    require_valid_unicode(BpeTokenizer.kind, text)
    chunks: Chunks = tuple(tuple(byte_tokens[byte] for byte in chunk.encode()) for chunk in chunks_of(text))
    while True:
        pairs, merge = choose(Counter(pair for chunk in chunks for pair in pairwise(chunk)))
        yield Step(chunks, tuple(pairs), merge)
        if merge is None:
            return
        chunks = tuple(_join(chunk, merge) for chunk in chunks)


def _join(chunk: tuple[int, ...], merge: Merge) -> tuple[int, ...]:
    """A chunk with the merge applied everywhere, from left to right."""
    joined: list[int] = []
    for token in chunk:
        if joined and (joined[-1], token) == (merge.left, merge.right):
            joined[-1] = merge.new
        else:
            joined.append(token)
    return tuple(joined)


def _byte_tokens(tokenizer: Tokenizer) -> list[int]:
    """The token of each of the 256 bytes."""
    of_bytes = {tokenizer.token_bytes(token): token for token in range(tokenizer.d_vocab)}
    return [of_bytes[bytes([byte])] for byte in range(N_BYTES)]
