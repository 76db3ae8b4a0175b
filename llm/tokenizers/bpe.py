"""Byte-pair encoding: starts from the 256 bytes and repeatedly merges the most frequent pair of tokens.

Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword units"; over bytes, and within
the chunks of `SPLIT_PATTERN`, as in GPT-2 (Radford et al. 2019). Every text is made of bytes, so no text is unknown.

The training is here, to be read. Encoding is done by tiktoken, which joins by the same merges in the same order.
"""

from __future__ import annotations

import heapq
import json
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import regex
import tiktoken

from llm.tokenizers.base import Merge, Tokenizer, require_valid_unicode

if TYPE_CHECKING:
    import numpy as np

N_BYTES = 256  # the tokens before any merge: token b is the byte b

# Merges stay inside a chunk: an English contraction's ending; letters, digits or other characters, each with the space
# before them; or white space (all but its last character, when a word follows, since that one goes with the word).
SPLIT_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"

MAX_VOCABULARY_BYTES = (
    2**28
)  # a merge at most doubles the longest token, so without a limit a small file could ask for any amount of memory


def train_merges(text: str, d_vocab: int) -> list[Merge]:
    """The merges, in order, that build a vocabulary of d_vocab tokens from a text.

    Each step merges the pair of neighbouring tokens with the highest count; of equals, the one with the lowest ids.
    It ends early, with fewer tokens, when no pair occurs twice: a token for it would not help elsewhere.

    A chunk that occurs often is kept once, with its count, and a merge visits only the positions of its pair: the
    counts of all other pairs are updated by what changes there. All merges together therefore make at most as many
    joins as the distinct chunks have bytes.
    """
    chunks = _Chunks(text)
    # A heap of (−count, pair): the next merge is on top. Counts that have fallen since are corrected on top.
    heap = [(-count, pair) for pair, count in chunks.pair_counts.items()]
    heapq.heapify(heap)
    merges: list[Merge] = []
    while heap and N_BYTES + len(merges) < d_vocab:
        negative_count, pair = heapq.heappop(heap)
        count = chunks.pair_counts[pair]
        if count < 2:
            continue
        if count != -negative_count:
            heapq.heappush(heap, (-count, pair))
            continue
        merge = Merge(*pair, new=N_BYTES + len(merges))
        merges.append(merge)
        for created in chunks.apply(merge):
            heapq.heappush(heap, (-chunks.pair_counts[created], created))
    return merges


def chunks_of(text: str) -> list[str]:
    """The words, numbers, punctuation and spaces of a text, which merges never cross."""
    return [match.group() for match in regex.finditer(SPLIT_PATTERN, text)]


class _Chunks:
    """The distinct chunks of a text as one long row of tokens, with the count and the positions of every pair in it.

    Tokens are linked to their neighbours in the same chunk, so that joining two is a change of links.
    """

    def __init__(self, text: str) -> None:
        self.tokens: list[int] = []
        self.weights: list[int] = []  # how often the chunk at this position occurs in the text
        self.before: list[int | None] = []  # the position of the neighbour, None at the chunk's end
        self.after: list[int | None] = []
        self.pair_counts: Counter[tuple[int, int]] = Counter()
        self.pair_positions: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for chunk, weight in Counter(chunks_of(text)).items():
            self._append(chunk.encode(), weight)

    def _append(self, chunk: bytes, weight: int) -> None:
        start = len(self.tokens)
        last = start + len(chunk) - 1
        self.tokens += chunk
        self.weights += [weight] * len(chunk)
        self.before += [None, *range(start, last)]
        self.after += [*range(start + 1, last + 1), None]
        for position, pair in enumerate(pairwise(chunk), start):
            self.pair_counts[pair] += weight
            self.pair_positions[pair].append(position)

    def apply(self, merge: Merge) -> set[tuple[int, int]]:
        """Join the merge's pair everywhere, from left to right; returns the new pairs."""
        left, right, new = merge
        created = set()
        for position in self.pair_positions.pop((left, right), ()):
            partner = self.after[position]
            if partner is None or (self.tokens[position], self.tokens[partner]) != (left, right):
                continue  # an earlier join took one of the two: "aaa" has the pair (a, a) twice, but it joins once
            weight, before, after = self.weights[position], self.before[position], self.after[partner]
            self.tokens[position] = new
            self.tokens[partner] = -1
            self.after[position] = after
            if before is not None:
                neighbour = self.tokens[before]
                self.pair_counts[neighbour, left] -= weight
                self.pair_counts[neighbour, new] += weight
                self.pair_positions[neighbour, new].append(before)
                created.add((neighbour, new))
            if after is not None:
                self.before[after] = position
                neighbour = self.tokens[after]
                self.pair_counts[right, neighbour] -= weight
                self.pair_counts[new, neighbour] += weight
                self.pair_positions[new, neighbour].append(position)
                created.add((new, neighbour))
        del self.pair_counts[left, right]
        return created


class BpeTokenizer(Tokenizer):
    """Byte-level byte-pair encoding with merges of its own."""

    kind = "bpe"

    def __init__(self, merges: Iterable[Merge]) -> None:
        """`merges` in order; the k-th makes token 256 + k."""
        self._merges = list(merges)
        vocabulary = [bytes([byte]) for byte in range(N_BYTES)]
        for left, right, _ in self._merges:
            vocabulary.append(vocabulary[left] + vocabulary[right])
        if len(set(vocabulary)) < len(vocabulary):
            raise ValueError("two of its merges make the same bytes")
        super().__init__(vocabulary)
        # tiktoken joins, of all neighbours whose joined bytes are a token, those with the lowest id first. That is the
        # same as applying the merges in order, because a merge's id is higher than those of the tokens that it joins.
        self._encoding = tiktoken.Encoding(
            name="bpe",
            pat_str=SPLIT_PATTERN,
            mergeable_ranks={token: rank for rank, token in enumerate(vocabulary)},
            special_tokens={},
        )

    @property
    def merges(self) -> Sequence[Merge]:
        """The merges in the order of training."""
        return self._merges

    def merge_counts(self, text: str) -> list[int]:
        """How often each merge's pair occurs in a text to which the merges before it have been applied."""
        chunks = _Chunks(text)
        counts = []
        for merge in self._merges:
            counts.append(chunks.pair_counts[merge.left, merge.right])
            chunks.apply(merge)
        return counts

    @classmethod
    def train(cls, text: str, d_vocab: int) -> Self:
        """Learn from a text. The vocabulary is smaller than d_vocab if the text has too few repeated pairs."""
        if d_vocab < N_BYTES:
            raise ValueError(f"d_vocab must be {N_BYTES} or more with bpe, one for each byte, got {d_vocab}")
        require_valid_unicode(cls.kind, text)
        return cls(train_merges(text, d_vocab))

    def encode(self, text: str) -> list[int]:
        """Ids of the text: its bytes, joined by the merges in order. Any text can be encoded."""
        require_valid_unicode(self.kind, text)
        return self._encoding.encode_ordinary(text)

    def encode_array(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """The same ids; no Python number is made."""
        require_valid_unicode(self.kind, text)
        return tiktoken_array(self._encoding, text)

    def settings(self) -> dict[str, Any]:
        """The merges, in order, as [left, right, new]."""
        return {"merges": self._merges}

    @classmethod
    def restore(cls, settings: dict[str, Any], model: bytes) -> Self:
        """Build from `settings()`."""
        merges = settings.get("merges")
        if not isinstance(merges, list):
            raise ValueError("it has no list of merges")
        lengths = [1] * N_BYTES
        total = N_BYTES
        for new, merge in enumerate(merges, N_BYTES):
            if not (isinstance(merge, list) and len(merge) == 3 and all(type(token) is int for token in merge)):
                raise ValueError(f"its merge {merge!r:.80} is not [left, right, new]")
            left, right, named = merge
            if not (0 <= left < new and 0 <= right < new and named == new):
                raise ValueError(f"its merge {merge!r:.80} does not make token {new} from two earlier ones")
            lengths.append(lengths[left] + lengths[right])
            total += lengths[-1]
            if total > MAX_VOCABULARY_BYTES:
                raise ValueError(f"its tokens are longer than {MAX_VOCABULARY_BYTES} bytes together")
        return cls(Merge(*merge) for merge in merges)


def tiktoken_array(encoding: tiktoken.Encoding, text: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Tiktoken's ids of a text in which nothing is special."""
    return encoding.encode_to_numpy(text, disallowed_special=()).astype("int32")


class StandaloneTokenizer:
    """Byte-pair encoding: start from bytes, and repeatedly join the pair that was merged earliest in training."""

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        self.ranks = {(left, right): new for left, right, new in settings["merges"]}
        self.vocabulary = [bytes([byte]) for byte in range(256)]
        for left, right, _ in settings["merges"]:
            self.vocabulary.append(self.vocabulary[left] + self.vocabulary[right])
        if "end_of_text" in settings:
            self.vocabulary.append(b"<|endoftext|>")
        if "mask_token" in settings:
            self.vocabulary.append(b"<|mask|>")

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        return [
            token for start, end in standalone_chunks(text) for token in self.joined(list(text[start:end].encode()))
        ]

    def joined(self, tokens: list[int]) -> list[int]:
        """The tokens of one chunk, from its bytes."""
        while True:
            pairs = [self.ranks.get(pair, math.inf) for pair in pairwise(tokens)]
            best = min(pairs, default=math.inf)
            if best == math.inf:
                return tokens
            index = pairs.index(best)
            tokens[index : index + 2] = [int(best)]

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return b"".join(self.vocabulary[token] for token in ids).decode("utf-8", errors="replace")


# SPLIT_PATTERN for text in which each character stands for its kind: Python's own `re` knows no \p{L} and \p{N}.
STANDALONE_CHUNK = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[a-z]++| ?0++| ?[!']++|\s++$|\s+(?!\S)|\s")


def standalone_chunks(text: str) -> list[tuple[int, int]]:
    """The boundaries of words, numbers, punctuation and spaces, which merges never cross."""

    def kind(character: str) -> str:
        space = character.isspace() and character not in "\x1c\x1d\x1e\x1f"  # no white space in Unicode's own list
        if character in "'sdmtlver" or space:
            return character
        return {"L": "a", "N": "0"}.get(unicodedata.category(character)[0], "!")

    return [match.span() for match in STANDALONE_CHUNK.finditer("".join(map(kind, text)))]
