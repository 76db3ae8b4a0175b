"""The parts of a text: for training, for validation, on which the best weights are chosen, and for a test at the end.

By default the first 90% of the characters are for training, the next 5% for validation and the last 5% for testing,
cut at line breaks if there are some near. Documents can be kept whole instead: then those held out come from
everywhere, and follow the others in the arranged text. So every part is one piece of the text, and a run needs to
record only where they end. The model learns only from the training part; so does its tokenizer, except for which
characters there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Annotated, Literal, NamedTuple, get_args

from typing_extensions import Doc

from llm.config import check_types, require
from llm.data.files.text_file import SEPARATOR, TextFile
from llm.tokenizers import Tokenizer, build_tokenizer

PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = get_args(PartName)
SplitBy = Literal["characters", "document", "file"]


@dataclass(frozen=True)
class Split:
    """How a text is split."""

    validation_fraction: Annotated[
        float,
        Doc("Fraction of the text on which the model is measured during training and its best weights are chosen."),
    ] = 0.05
    test_fraction: Annotated[
        float, Doc("Fraction of the text that neither trains the model nor chooses its best weights. 0: none.")
    ] = 0.05
    split_by: Annotated[
        SplitBy,
        Doc("What is held out. characters: the end of the text; document: whole documents from everywhere (rows of a "
            "table, files); file: whole files."),
    ] = "characters"  # fmt: skip

    def __post_init__(self) -> None:
        check_types(self)
        require(self, "validation_fraction", 0 < self.validation_fraction <= 0.5, "above 0, and at most 0.5")
        require(self, "test_fraction", 0 <= self.test_fraction <= 0.4, "from 0 to 0.4")

    @property
    def ends(self) -> tuple[float, float]:
        """At which fractions of the text training and validation end, if these are cut by characters."""
        train = round(1 - self.validation_fraction - self.test_fraction, 9)
        return train, train + self.validation_fraction if self.test_fraction else 1


DEFAULT_SPLIT = Split()


class Parts(NamedTuple):
    """The parts of a text."""

    train: str
    validation: str
    test: str


@dataclass(frozen=True)
class SplitText:
    """A text, where its parts end and its documents begin, in characters, and how the parts were chosen."""

    text: str
    train_end: int
    validation_end: int
    split: Split = DEFAULT_SPLIT
    documents: tuple[int, ...] = (0,)  # where each begins

    @property
    def parts(self) -> Parts:
        """Its parts."""
        train, validation = self.train_end, self.validation_end
        return Parts(self.text[:train], self.text[train:validation], self.text[validation:])

    @classmethod
    def by_characters(cls, text: str, split: Split = DEFAULT_SPLIT) -> SplitText:
        """Each part is cut after a line break if there is one just before."""
        train, validation = split.ends
        return cls(text, _cut(text, train), len(text) if validation == 1 else _cut(text, validation), split)


def split_text(text: str, split: Split = DEFAULT_SPLIT) -> Parts:
    """The parts of a text, split by characters."""
    return SplitText.by_characters(text, split).parts


def arrange(files: Sequence[TextFile], split: Split) -> SplitText:
    """The text of these files, with an empty line between documents, split as chosen.

    Raises ValueError if there are not enough documents or files for all parts.
    """
    if split.split_by == "characters":
        text = SplitText.by_characters(SEPARATOR.join(file.text for file in files), split)
        return replace(text, documents=_beginnings(document for file in files for document in file.documents))
    within = [file.documents for file in files]  # of each unit that stays whole
    if split.split_by == "document":
        within = [(document,) for file in files for document in file.documents]
    units = [SEPARATOR.join(documents) for documents in within]
    chosen = parts_of(
        [len(unit) for unit in units], [hashlib.sha256(unit.encode()).hexdigest() for unit in units], split
    )
    arranged = ["".join(unit + SEPARATOR for unit, part in zip(units, chosen, strict=True) if part == name)
                for name in PARTS]  # fmt: skip
    ordered = (documents for name in PARTS for documents, part in zip(within, chosen, strict=True) if part == name)
    train, validation = len(arranged[0]), len(arranged[0]) + len(arranged[1])
    return SplitText("".join(arranged), train, validation, split, _beginnings(chain.from_iterable(ordered)))


def _beginnings(documents: Iterable[str]) -> tuple[int, ...]:
    """Where documents begin in their text, with the separator after each."""
    *beginnings, _ = accumulate((len(document) + len(SEPARATOR) for document in documents), initial=0)
    return tuple(beginnings)


def parts_of(sizes: Sequence[int], hashes: Sequence[str], split: Split) -> list[PartName]:
    """The part of each document or file, from its size and the hash of its content.

    They are taken in the order of their hashes, which is that of chance, as long as that comes nearer to the fraction;
    each part gets at least one. Raises ValueError if there are too few.
    """
    order = sorted(range(len(sizes)), key=lambda index: hashes[index])
    parts: list[PartName] = ["train"] * len(sizes)
    wanted: dict[PartName, float] = {"test": split.test_fraction, "validation": split.validation_fraction}
    if not split.test_fraction:
        del wanted["test"]
    if len(sizes) <= len(wanted):
        raise ValueError(
            f"split_by={split.split_by} needs at least {len(wanted) + 1} {split.split_by}s, one for each part, "
            f"got {len(sizes)}: choose characters, or test_fraction 0"
        )
    for left, (name, fraction) in zip((len(wanted), 1), wanted.items(), strict=False):
        lacking = fraction * sum(sizes)
        free = [index for index in order if parts[index] == "train"]
        fitting: list[int] = []
        for index in free:
            if sizes[index] / 2 <= lacking and len(fitting) < len(free) - left:
                fitting.append(index)
                lacking -= sizes[index]
        for index in fitting or [min(free, key=sizes.__getitem__)]:
            parts[index] = name
    return parts


def _cut(text: str, fraction: float) -> int:
    cut = int(len(text) * fraction)
    found = cut_after_line_break(text, cut - len(text) // 100, cut)
    return cut if found is None else found


def cut_after_line_break(text: str, low: int, high: int) -> int | None:
    """Where to cut a text: after its last line break from `low` on and before `high`; None if there is none."""
    line_break = text.rfind("\n", low, high)
    return line_break + 1 if line_break >= 0 else None


def train_tokenizer(kind: str, text: str | SplitText, d_vocab: int | None = None) -> Tokenizer:
    """A tokenizer that learns from the training part of a text, and can encode all of it.

    Of the other parts it learns only which characters there are. Raises as `build_tokenizer`.
    """
    whole = SplitText.by_characters(text) if isinstance(text, str) else text
    return build_tokenizer(kind, whole.parts.train or whole.text, d_vocab, "".join(sorted(set(whole.text))))
