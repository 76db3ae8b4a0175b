"""A vocabulary as a table: each token with its bytes, the two it was merged from, and where a text has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from llm.tokenizers.base import Tokenizer

AROUND = 24  # bytes of the text on either side of an example

SortBy = Literal["id", "length", "frequency"]
SORTS: tuple[SortBy, ...] = get_args(SortBy)


class Token(NamedTuple):
    """One token of a vocabulary."""

    id: int
    text: str  # for display: bytes that are no whole character as ‹e2 80›
    bytes: str  # hexadecimal
    length: int  # in bytes
    frequency: int  # how often the text has it
    parents: tuple[int, int] | None  # the tokens that it was merged from, if it was
    example: tuple[str, str] | None  # what is before and after it where the text has it first; None: nowhere


def vocabulary(tokenizer: Tokenizer, text: str) -> list[Token]:
    """All tokens in the order of their ids, counted in `text`, which `tokenizer` must be able to encode."""
    import numpy as np  # here, so that `llm --help` does not wait for it

    tokens = range(tokenizer.d_vocab)
    contents = [tokenizer.token_bytes(token) for token in tokens]
    parents = {merge.new: (merge.left, merge.right) for merge in tokenizer.merges or ()}
    ids = tokenizer.encode_array(text)  # [position in the text]
    ends = np.cumsum(np.array([len(content) for content in contents])[ids])  # [position], in bytes
    present, firsts, counts = np.unique(ids, return_index=True, return_counts=True)
    found = dict(zip(present.tolist(), zip(counts.tolist(), ends[firsts].tolist(), strict=True), strict=True))
    encoded = text.encode()

    def row(token: int) -> Token:
        content = contents[token]
        count, end = found.get(token, (0, 0))
        example = _around(encoded, end - len(content), end) if count else None
        text = tokenizer.token_text(token)
        return Token(token, text, content.hex(" "), len(content), count, parents.get(token), example)

    return [row(token) for token in tokens]


def _around(encoded: bytes, start: int, end: int) -> tuple[str, str]:
    """The text before and after a part of it, without characters that are cut."""
    before, after = encoded[max(0, start - AROUND) : start], encoded[end : end + AROUND]
    return before.decode("utf-8", errors="ignore"), after.decode("utf-8", errors="ignore")


def search(tokens: Sequence[Token], words: str = "", sort_by: SortBy = "id") -> list[Token]:
    """The tokens whose text contains `words`, or whose id it is; the longest or most frequent first.

    In `words`, a space may be written as ·, as the pages show it.
    """
    wanted = words.replace("·", " ")
    kept = [token for token in tokens if wanted in token.text or words == str(token.id)]
    if sort_by == "id":
        return kept
    return sorted(kept, key=lambda token: -getattr(token, sort_by))
