"""Passages: a text to measure on, cut into parts of about 512 characters.

The cuts depend on the characters alone, so that every tokenizer and every n_ctx is measured on the same text. A cut is
after a line break, or before a space, if there is one near. Each passage is tokenised separately: no token crosses a
cut. The first word belongs to no passage, since a model predicts no token without one before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llm.tokenizers import Tokenizer

PASSAGE_CHARACTERS = 512
NEAR = PASSAGE_CHARACTERS // 4  # how far before the 512th character a cut may be
_FIRST_WORD = re.compile(r"\s{,32}\S{1,32}(?=\s)")


@dataclass(frozen=True)
class Passages:
    """A text as tokens, and where its passages begin and end.

    tokens: int32, on the CPU, the first word included.
    starts: passage k is tokens[starts[k] : starts[k + 1]].
    characters: length of each passage.
    """

    tokens: Int[Tensor, " tokens"]
    starts: Int[Tensor, " passages_and_end"]
    characters: Int[Tensor, " passages"]

    @classmethod
    def from_text(cls, text: str, tokenizer: Tokenizer) -> Passages:
        """Cut and tokenise. Raises UnknownCharacterError for a character that the tokenizer does not know."""
        return cls.from_documents([text], tokenizer)

    @classmethod
    def from_documents(cls, texts: Sequence[str], tokenizer: Tokenizer) -> Passages:
        """The passages of texts that follow each other; the end-of-text token between two belongs to the first.

        Raises as `from_text`.
        """
        parts: list[list[int]] = []
        lengths: list[int] = []
        for number, text in enumerate(texts):
            cuts = passage_cuts(text)
            if number:  # its first word comes after others
                cuts = [0, *(cuts[1:] or [len(text)])]
                if tokenizer.end_of_text is not None:
                    parts[-1].append(tokenizer.end_of_text)
            bounds = cuts if number else [0, *cuts]
            parts += [tokenizer.encode(text[start:end]) for start, end in pairwise(bounds)]
            lengths += [end - start for start, end in pairwise(cuts)]
        tokens = [token for part in parts for token in part]
        starts = torch.tensor([len(part) for part in parts]).cumsum(0)
        return cls(torch.tensor(tokens, dtype=torch.int32), starts, torch.tensor(lengths, dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.characters)

    def evenly_spaced(self, count: int) -> Int[Tensor, " chosen"]:
        """The indices of so many passages, or of all if there are no more: the same for every tokenizer."""
        return evenly_spaced(len(self), count)

    def mask(self, chosen: Int[Tensor, " chosen"]) -> Bool[Tensor, " tokens"]:
        """Which tokens belong to these passages."""
        index = torch.arange(len(self.tokens))  # [tokens]
        passage = torch.searchsorted(self.starts, index, right=True) - 1  # [tokens], −1: the first word
        return torch.isin(passage, chosen)

    def byte_count(self, tokenizer: Tokenizer) -> int:
        """Bytes of all passages in UTF-8; the tokens between two documents are not counted."""
        counts = torch.bincount(self.tokens[int(self.starts[0]) :].long(), minlength=tokenizer.d_vocab).tolist()
        if tokenizer.end_of_text is not None:
            counts[tokenizer.end_of_text] = 0
        return sum(count * len(tokenizer.token_bytes(token)) for token, count in enumerate(counts) if count)

    def sums(self, values: Float[Tensor, " tokens"]) -> Float[Tensor, " passages"]:
        """The sum of the values of each passage's tokens."""
        parts = values[self.starts[0] :].split(self.starts.diff().tolist())
        return torch.stack([part.sum() for part in parts])


def evenly_spaced(available: int, count: int) -> Int[Tensor, " chosen"]:
    """Indices of `count` of so many things, or of all if there are no more."""
    return torch.linspace(0, available - 1, min(count, available), dtype=torch.float64).round().long()


def passage_cuts(text: str) -> list[int]:
    """Where the passages of a text begin, in characters, and its end; the last has up to half more than 512."""
    first_word = _FIRST_WORD.match(text)
    cuts = [first_word.end() if first_word else min(1, len(text))]
    while len(text) - cuts[-1] > 1.5 * PASSAGE_CHARACTERS:
        last = cuts[-1] + PASSAGE_CHARACTERS
        line_break, space = (text.rfind(character, last - NEAR, last) for character in "\n ")
        cuts.append(line_break + 1 if line_break >= 0 else space if space >= 0 else last)
    return cuts if cuts[-1] == len(text) else [*cuts, len(text)]
