"""What every tokenizer has in common: a vocabulary of byte strings, and everything that follows from it."""

from __future__ import annotations

import codecs
import copy
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from llm.runtime.files import write_bytes

if TYPE_CHECKING:
    import numpy as np

END_OF_TEXT = b"<|endoftext|>"
MASK = b"<|mask|>"
SETTINGS_FILE = "tokenizer.json"
MODEL_FILE = "tokenizer.model"


class NotFetchedError(ValueError):
    """A tokenizer's file is not on this machine and could not be fetched."""


class Merge(NamedTuple):
    """One step of the training: wherever `left` precedes `right`, `new` replaces both."""

    left: int
    right: int
    new: int


class UnknownCharacterError(ValueError):
    """A text has characters that a tokenizer cannot express."""

    def __init__(
        self,
        kind: str,
        characters: Iterable[str],
        remedy: str = "not in its training text. Leave it out, or train with bpe, which knows every character.",
    ) -> None:
        self.characters = sorted(set(characters))
        shown = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in self.characters[:5])
        more = f" and {len(self.characters) - 5} more" if len(self.characters) > 5 else ""
        super().__init__(f"The {kind} tokenizer does not know {shown}{more}: {remedy}")


class Tokenizer(ABC):
    """Text to token ids and back.

    A subclass names its `kind`, hands its vocabulary to `__init__`, and says how to encode and what to save.
    """

    kind: ClassVar[str]

    def __init__(self, vocabulary: list[bytes]) -> None:
        """`vocabulary[id]` is the exact bytes that token `id` stands for; they need not be whole characters."""
        self._vocabulary = vocabulary
        self.end_of_text: int | None = None  # the token between documents, which no text is encoded to
        self.mask_token: int | None = None  # read in place of a token to fill in; no text is encoded to it

    def add_end_of_text(self) -> None:
        """Append the token between documents to the vocabulary, unless there is one."""
        if self.end_of_text is None:
            self._vocabulary = [*self._vocabulary, END_OF_TEXT]
            self.end_of_text = self.d_vocab - 1
            self.__dict__.pop("characters_per_token", None)  # of the vocabulary before

    def with_mask_token(self) -> Self:
        """This tokenizer with the mask token as the last of its vocabulary; itself if it has one."""
        if self.mask_token is not None:
            return self
        other = copy.copy(self)
        other.__dict__.pop("characters_per_token", None)  # of the shorter vocabulary
        other._vocabulary = [*self._vocabulary, MASK]
        other.mask_token = self.d_vocab
        return other

    @property
    def special_tokens(self) -> dict[int, str]:
        """The ids that no text is encoded to, at the end of the vocabulary of a tokenizer that was trained here."""
        named = ((self.end_of_text, END_OF_TEXT), (self.mask_token, MASK))
        return {token: content.decode() for token, content in named if token is not None}

    @property
    def merges(self) -> Sequence[Merge] | None:
        """The merges in the order of training; None for a kind that merges nothing."""
        return None

    def merge_counts(self, text: str) -> list[int]:
        """For each merge, how often its pair occurs in a text to which the merges before it have been applied.

        In the text that the merges were learned from these are the counts that decided their order. Empty if they were
        learned from another text, which is not here.
        """
        return []

    @property
    def d_vocab(self) -> int:
        """Number of tokens; ids run from 0 to d_vocab − 1."""
        return len(self._vocabulary)

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Token ids of a text. Raises UnknownCharacterError for what the vocabulary cannot express."""

    def encode_array(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """The same ids as an array, for whole texts: a list of as many Python numbers takes ten times the memory."""
        import numpy as np  # here, so that `llm --help` does not wait for it

        return np.array(self.encode(text), dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of token ids. Bytes that are not UTF-8 (a character cut in half) become U+FFFD, the character �."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token: int) -> bytes:
        """Exact bytes of one token: those of several, joined and read as UTF-8, are their decoded text."""
        if not 0 <= token < self.d_vocab:
            raise ValueError(f"Token id {token} does not exist: this tokenizer's ids run from 0 to {self.d_vocab - 1}")
        return self._vocabulary[token]

    def token_text(self, token: int) -> str:
        """One token for display: its characters, and bytes that are only part of a character as ‹e2 80›."""
        readable = self.token_bytes(token).decode("utf-8", errors="surrogateescape")  # byte e2 becomes U+DCE2
        return re.sub("[\udc80-\udcff]+", _partial_bytes, readable)

    @cached_property
    def characters_per_token(self) -> list[int]:
        """Unicode characters that each token begins, list of d_vocab counts.

        Every character has exactly one byte that is not a UTF-8 continuation byte (10xxxxxx), its first; so over the
        tokens of a text these counts sum to the text's length, even where a character is spread over several tokens.
        """
        return [sum(byte & 0b1100_0000 != 0b1000_0000 for byte in token) for token in self._vocabulary]

    def save(self, folder: str | Path) -> None:
        """Write the files that `load_tokenizer` needs into an existing folder, each atomically."""
        for name, content in reversed(self.files().items()):
            write_bytes(Path(folder) / name, content)

    def files(self) -> dict[str, bytes]:
        """The contents of these files by name."""
        settings = {"kind": self.kind, "d_vocab": self.d_vocab, **self.settings()}
        if self.end_of_text is not None:
            settings["end_of_text"] = self.end_of_text
        if self.mask_token is not None:
            settings["mask_token"] = self.mask_token
        model = self.model_file()
        written = {SETTINGS_FILE: json.dumps(settings, ensure_ascii=False).encode()}
        return written if model is None else written | {MODEL_FILE: model}

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The contents of tokenizer.json for this kind, beside "kind" and "d_vocab"."""

    def model_file(self) -> bytes | None:
        """The contents of tokenizer.model; None for a kind without such a file."""
        return None

    @classmethod
    @abstractmethod
    def restore(cls, settings: dict[str, Any], model: bytes) -> Self:
        """Build from what was saved; `model` is empty where there is no such file.

        The files may be damaged or hostile: raises ValueError with the reason, as a part of a sentence.
        """


class TextDecoder:
    """Decodes a stream of tokens: gives text out as soon as its characters are complete."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """Text that became complete with this token; the start of an unfinished character is held back."""
        return self._utf8.decode(self._tokenizer.token_bytes(token))

    def flush(self) -> str:
        """The rest at the end of the stream: U+FFFD for an unfinished character, else empty."""
        return self._utf8.decode(b"", final=True)


def require_valid_unicode(kind: str, text: str) -> None:
    """Raise UnknownCharacterError for half a surrogate pair, which a Python string can hold but UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        halves = re.findall("[\ud800-\udfff]", text)
        raise UnknownCharacterError(
            kind, halves, "half of a surrogate pair is not a character. Read the text again, as UTF-8."
        ) from None


def _partial_bytes(match: re.Match[str]) -> str:
    escaped = match.group().encode("utf-8", errors="surrogateescape")
    return f"‹{escaped.hex(' ')}›"
