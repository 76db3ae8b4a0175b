"""The simplest tokenizer: one token for each distinct character of the training text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from llm.tokenizers.base import Tokenizer, UnknownCharacterError, require_valid_unicode


class CharTokenizer(Tokenizer):
    """Each character is a token; ids follow the order of the code points."""

    kind = "char"

    def __init__(self, characters: str) -> None:
        """`characters`: the vocabulary, each character once, in the order of the ids."""
        super().__init__([character.encode() for character in characters])
        self._characters = characters
        self._ids = {character: token for token, character in enumerate(characters)}

    @classmethod
    def train(cls, text: str) -> Self:
        """The vocabulary is the set of characters in the text."""
        require_valid_unicode(cls.kind, text)
        return cls("".join(sorted(set(text))))

    def encode(self, text: str) -> list[int]:
        """One id per character. Raises UnknownCharacterError for a character that the training text lacks."""
        try:
            return [self._ids[character] for character in text]
        except KeyError:
            raise UnknownCharacterError(self.kind, set(text) - self._ids.keys()) from None

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
        self.characters = settings["characters"]

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        if unknown := set(text) - set(self.characters):
            raise ValueError(f"The training text lacks {', '.join(map(repr, sorted(unknown)))}")
        return [self.characters.index(character) for character in text]

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return "".join(self.characters[token] for token in ids)
