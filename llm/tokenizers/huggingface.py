"""The tokenizer of an imported model: a tokenizer.json of Hugging Face's `tokenizers`, read by that package.

The file describes a pipeline: normalise the text, split it, look up or merge the pieces. What each token stands for in
bytes follows from the step that decodes: byte-level tokens (GPT-2's) spell each byte as a visible character; tokens in
SentencePiece's manner write ▁ for a space and <0x0A> for a byte; others are plain text.

Special tokens, such as the one that ends a text, are ids that no text is encoded to: a text that only looks like one is
plain text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from llm.tokenizers.base import Tokenizer, UnknownCharacterError, require_valid_unicode

MISSING = "The tokenizer of an imported model needs the package tokenizers: uv sync --inexact --extra hf"
BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
MAX_D_VOCAB = 2**22


class HuggingFaceTokenizer(Tokenizer):
    """Encodes by the package's own code; ids beyond the file's tokens, which pad a model's vocabulary, are empty."""

    kind = "huggingface"

    def __init__(self, content: bytes, d_vocab: int, end_of_text: int | None = None) -> None:
        """`content`: of a tokenizer.json; `d_vocab`: of the model; `end_of_text`: the id that ends a text."""
        try:
            from tokenizers import Tokenizer as Backend
        except ModuleNotFoundError:
            raise ValueError(MISSING) from None
        if not 1 <= d_vocab <= MAX_D_VOCAB:
            raise ValueError(f"its d_vocab must be from 1 to {MAX_D_VOCAB:,}, got {d_vocab}")
        try:
            settings = json.loads(content)
            if not isinstance(settings, dict):
                raise ValueError("not a JSON object")
            self._backend = Backend.from_str(content.decode())
        except Exception as error:  # the package raises plain Exceptions, and the file may be hostile
            raise ValueError(f"its tokenizer.json cannot be read ({str(error)[:120]})") from None
        self._content = content
        self._backend.no_truncation()
        self._backend.no_padding()
        self._backend.encode_special_tokens = True  # in a text they are plain text
        vocabulary = [b""] * d_vocab
        spelling = _spelling(settings)
        added = {
            int(token): found.content.encode() for token, found in self._backend.get_added_tokens_decoder().items()
        }
        for text, token in self._backend.get_vocab(with_added_tokens=True).items():
            if token >= d_vocab:
                raise ValueError(f"its token {token} does not exist in the model, whose d_vocab is {d_vocab}")
            vocabulary[token] = added[token] if token in added else spelling(text)
        super().__init__(vocabulary)
        if end_of_text is not None and not 0 <= end_of_text < d_vocab:
            raise ValueError(f"its end of text must be an id below d_vocab={d_vocab}, got {end_of_text}")
        self.end_of_text = end_of_text

    def encode(self, text: str) -> list[int]:
        """Ids of the text, with nothing put before or after it. Raises UnknownCharacterError where it has no token."""
        require_valid_unicode(self.kind, text)
        try:
            ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        except Exception:  # the package's own class, without a name
            unknown = [character for character in sorted(set(text)) if not self._knows(character)]
            raise UnknownCharacterError(self.kind, unknown, "the imported model has no token for it.") from None
        return ids

    def _knows(self, character: str) -> bool:
        try:
            self._backend.encode(character, add_special_tokens=False)
        except Exception:
            return False
        return True

    def settings(self) -> dict[str, Any]:
        """Nothing: tokenizer.model holds the file, under that name."""
        return {}

    def model_file(self) -> bytes:
        """The tokenizer.json as it came."""
        return self._content

    @classmethod
    def restore(cls, settings: dict[str, Any], model: bytes) -> Self:
        """Build from what was saved."""
        d_vocab, end_of_text = settings.get("d_vocab"), settings.get("end_of_text")
        if type(d_vocab) is not int or type(end_of_text) not in (int, type(None)):
            raise ValueError("its d_vocab or end_of_text is no integer")
        return cls(model, d_vocab, end_of_text)


def byte_characters() -> dict[int, str]:
    """The visible character that byte-level tokens write for each byte (`bytes_to_unicode` in GPT-2's code).

    Visible characters of Latin-1 stand for themselves, and U+0100, U+0101 … for the others in their order.
    """
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(0x100 + index) for index, byte in enumerate(others)}


def _spelling(settings: dict[str, Any]) -> Any:
    """From a token as the file writes it to its bytes, by the steps that decode."""
    steps = {str(step.get("type")) for step in _steps(settings.get("decoder"))}
    if "ByteLevel" in steps:
        byte_of = {character: byte for byte, character in byte_characters().items()}
        return lambda text: (
            bytes(byte_of[character] for character in text) if set(text) <= byte_of.keys() else text.encode()
        )
    if steps & {"ByteFallback", "Metaspace", "Replace"}:
        return _sentencepiece_bytes
    if steps <= {"Fuse"}:
        return str.encode
    raise ValueError(f"its tokens are decoded by {', '.join(sorted(steps))}, which is not known here")


def _sentencepiece_bytes(text: str) -> bytes:
    byte = BYTE_TOKEN.fullmatch(text)
    return bytes([int(byte[1], 16)]) if byte else text.replace("▁", " ").encode()


def _steps(decoder: Any) -> Iterator[dict[str, Any]]:
    """The steps of a decoder, which may be a sequence of some."""
    if isinstance(decoder, dict):
        inner = decoder.get("decoders")
        if decoder.get("type") == "Sequence" and isinstance(inner, list):
            for step in inner:
                yield from _steps(step)
        else:
            yield decoder


class StandaloneTokenizer:
    """The tokenizer of an imported model, read by the package tokenizers."""

    def __init__(self, folder: Path) -> None:
        import tokenizers

        self.tokenizer = tokenizers.Tokenizer.from_str((folder / "tokenizer.model").read_text("utf-8"))
        self.tokenizer.encode_special_tokens = True  # in a text they are plain text

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return self.tokenizer.decode(ids, skip_special_tokens=False)
