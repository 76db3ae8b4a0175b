"""The text of a file, and its parts for training, validation and testing.

A text is split once, by characters: the first 90% for training, the next 5% for validation, the last 5% for testing, at
line breaks if there are some near. The model learns only from the training part; so does its tokenizer, except for
which characters there are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, get_args

from llm.runtime.text import decode_utf8
from llm.tokenizers import Tokenizer, build_tokenizer

TRAIN_FRACTION = 0.9
VALIDATION_FRACTION = 0.05
PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = get_args(PartName)


def read_text(path: Path | str) -> str:
    """The text of a UTF-8 file, without a byte order mark and with every line break a single newline.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, empty, or not UTF-8.
    """
    path = Path(path)
    require_file(path)
    return decode_text(path.read_bytes(), str(path))


def decode_text(content: bytes, name: str) -> str:
    """The text in the bytes of a file called `name`; see `read_text`."""
    text = decode_utf8(content, name)
    require_characters(text, name)
    return text


def require_file(path: Path) -> None:
    """Raise ValueError for a folder, and FileNotFoundError if nothing is there."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the path of a text file")
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}: check the path")


def require_characters(characters: str, name: str) -> None:
    """Raise ValueError if the text called `name`, which has these characters, has nothing but white space."""
    if not characters.strip():
        raise ValueError(f"{name} is empty: training needs a text of at least a few thousand characters")


class Parts(NamedTuple):
    """The parts of a text."""

    train: str
    validation: str
    test: str


def split_text(text: str, with_test: bool = True) -> Parts:
    """The parts, each cut after a line break if there is one just before.

    Without a test part, as runs had before there was one, everything after the training part is for validation.
    """
    train_end = _cut(text, TRAIN_FRACTION)
    validation_end = _cut(text, TRAIN_FRACTION + VALIDATION_FRACTION) if with_test else len(text)
    return Parts(text[:train_end], text[train_end:validation_end], text[validation_end:])


def _cut(text: str, fraction: float) -> int:
    cut = int(len(text) * fraction)
    found = cut_after_line_break(text, cut - len(text) // 100, cut)
    return cut if found is None else found


def cut_after_line_break(text: str, low: int, high: int) -> int | None:
    """Where to cut a text: after its last line break from `low` on and before `high`; None if there is none."""
    line_break = text.rfind("\n", low, high)
    return line_break + 1 if line_break >= 0 else None


def train_tokenizer(kind: str, text: str, d_vocab: int | None = None) -> Tokenizer:
    """A tokenizer that learns from the training part of a text, and can encode all of it.

    Of the other parts it learns only which characters there are. Raises as `build_tokenizer`.
    """
    return build_tokenizer(kind, split_text(text).train or text, d_vocab, "".join(sorted(set(text))))
