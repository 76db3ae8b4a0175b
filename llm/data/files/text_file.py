"""What is taken of a file as training text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llm.runtime.text import count

AS_IT_IS = "text"  # the kind of a file that is taken as it is
FIRST_CHARACTERS = 280  # of a text, that a preview shows


class UnreadableFileError(ValueError):
    """A file has no text that can be taken. The message begins with the file's name."""


@dataclass(frozen=True)
class TextFile:
    """The text of one file: its documents, and in words what was left out."""

    name: str
    kind: str  # in words
    documents: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  # of a table: those that hold text
    column: str = ""  # that was taken

    @property
    def text(self) -> str:
        """The documents, an empty line between two."""
        return SEPARATOR.join(self.documents)

    @property
    def first_lines(self) -> str:
        """The beginning of the text, on one line."""
        line = " ".join(self.documents[0][: 2 * FIRST_CHARACTERS].split())
        return line if len(line) <= FIRST_CHARACTERS else line[:FIRST_CHARACTERS].rsplit(" ", 1)[0] + " …"


SEPARATOR = "\n\n"


def tidy(text: str) -> str:
    """A text that was laid out for a page: no space around line breaks, and at most one empty line in a row.

    More than one space at the beginning of a line is an indentation, and stays.
    """
    return re.sub(r"\n{3,}", SEPARATOR, re.sub(r"[ \t\xa0]*\n(?: (?! )|\t)?", "\n", text)).strip()


def collection_name(names: Sequence[str]) -> str:
    """The name of a text of several files: that of the first, and how many follow."""
    return names[0] if len(names) == 1 else f"{names[0]} and {count(len(names) - 1, 'more file')}"
