"""How much of a text can be known by heart: the fraction of its sentences that training contains word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

# a line break; white space after the mark that ends a sentence, and its closing quotation mark or bracket; or, in
# scripts without spaces, right after the mark
_BREAK = re.compile(r"""\n|(?<=[.!?…])\s+|(?<=[.!?…]["'”’»)])\s+|(?<=[。！？])(?![”’」』）])|(?<=[。！？][”’」』）])""")


def seen_in_training(train: str, *others: str) -> list[float | None]:
    """For each other text, the fraction of its sentences that the training part contains word for word.

    None: it has no sentence.
    """
    wanted = {sentence for other in others for sentence in sentences(other)}
    known = wanted.intersection(sentences(train))  # not all of the training part's: a long text has millions
    return [_fraction(other, known) for other in others]


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text; a line that does not end in a mark is one, too."""
    breaks = (match.span() for match in _BREAK.finditer(text))
    start = 0
    for end, next_start in chain(breaks, [(len(text), len(text))]):
        if sentence := text[start:end].strip():
            yield sentence
        start = next_start


def _fraction(text: str, known: set[str]) -> float | None:
    found = [sentence in known for sentence in sentences(text)]
    return sum(found) / len(found) if found else None
