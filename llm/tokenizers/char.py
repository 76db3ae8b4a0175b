"""The simplest tokenizer: one token for each distinct character of a text.

In training, that is the whole text, validation and test parts included: it must be able to encode them. Nothing else is
learned from those parts: the model never sees the token of a character that occurs only there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llm.tokenizers.base import Tokenizer, UnknownCharacterError, require_valid_unicode

if TYPE_CHECKING:
    import numpy as np


class CharTokenizer(Tokenizer):
    """Each character is a token; ids follow the order of the code points."""

    kind = "char"

    def __init__(self, characters: str) -> None:
        """`characters`: the vocabulary, each character once, in the order of the ids."""
        super().__init__([character.encode() for character in characters])
        self._characters = characters
        self._ids = {character: token for token, character in enumerate(characters)}

    @classmethod
    def train(cls, text: str, alphabet: str = "") -> Self:
        """The vocabulary is the set of characters in the text, and those of `alphabet`."""
        for part in (text, alphabet):
            require_valid_unicode(cls.kind, part)
        return cls("".join(sorted(set(text) | set(alphabet))))

    def encode(self, text: str) -> list[int]:
        """One id per character. Raises UnknownCharacterError for a character that the vocabulary lacks."""
        try:
            return [self._ids[character] for character in text]
        except KeyError:
            raise UnknownCharacterError(self.kind, set(text) - self._ids.keys()) from None

    def encode_array(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """The same ids, looked up for many characters at once in a table that has every code point of Unicode."""
        import numpy as np

        table = np.full(sys.maxunicode + 1, -1, dtype=np.int32)
        table[[ord(character) for character in self._characters]] = range(len(self._characters))
        ids = np.empty(len(text), dtype=np.int32)
        for start in range(0, len(text), 2**20):  # in parts: all code points at once would take as much memory again
            part = text[start : start + 2**20].encode("utf-32-le", errors="surrogatepass")
            ids[start : start + 2**20] = table[np.frombuffer(part, dtype="<u4")]
        if ids.size and ids.min() < 0:
            raise UnknownCharacterError(self.kind, set(text) - self._ids.keys())
        return ids

    def settings(self) -> dict[str, Any]:
        """The characters in the order of their ids."""
        return {"characters": self._characters}

    @classmethod
    def restore(cls, settings: dict[str, Any], model: bytes) -> Self:
        """Build from `settings()`."""
        characters = settings.get("characters")
        if not isinstance(characters, str) or not characters or len(set(characters)) != len(characters):
            raise ValueError("its characters are not a non-empty string without repeats")
        return cls(characters)  # half a surrogate pair cannot be encoded: UnicodeEncodeError is a ValueError


class StandaloneTokenizer:
    """Each character is a token."""

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        self.characters = [*settings["characters"]]
        self.characters += ["<|endoftext|>"] if "end_of_text" in settings else []
        self.characters += ["<|mask|>"] if "mask_token" in settings else []

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        if unknown := set(text) - set(self.characters):
            raise ValueError(f"The training text lacks {', '.join(map(repr, sorted(unknown)))}")
        return [self.characters.index(character) for character in text]

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return "".join(self.characters[token] for token in ids)
