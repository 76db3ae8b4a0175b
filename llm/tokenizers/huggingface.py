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
from pathlib import Path
from typing import Any, Self

from llm.tokenizers.base import Tokenizer, UnknownCharacterError, require_valid_unicode
from llm.tokenizers.huggingface_file import HIDDEN, for_encoding, read_settings, steps

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
            settings = read_settings(content)
            self._backend = Backend.from_str(for_encoding(settings))
        except BaseException as error:  # the package raises plain Exceptions, and the file may be hostile
            if not _is_of_package(error):
                raise
            raise ValueError(f"its tokenizer.json cannot be read ({' '.join(str(error).split())[:120]})") from None
        self._content = content
        self._backend.encode_special_tokens = True  # in a text they are plain text
        vocabulary = [b""] * d_vocab
        spelling = _spelling(settings)
        added = {
            int(token): found.content.removeprefix(HIDDEN).encode()
            for token, found in self._backend.get_added_tokens_decoder().items()
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
        except BaseException as error:
            if not _is_of_package(error):
                raise
            unknown = [character for character in sorted(set(text)) if not self._knows(character)]
            if not unknown:  # of a text that is longer than one character
                raise ValueError(f"the imported tokenizer cannot encode this text ({str(error)[:120]})") from None
            raise UnknownCharacterError(self.kind, unknown, "the imported model has no token for it.") from None
        return ids

    def _knows(self, character: str) -> bool:
        try:
            self._backend.encode(character, add_special_tokens=False)
        except BaseException as error:
            if not _is_of_package(error):
                raise
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
    kinds = {str(step.get("type")) for step in steps(settings.get("decoder"), "decoders")}
    if "ByteLevel" in kinds:
        byte_of = {character: byte for byte, character in byte_characters().items()}
        return lambda text: (
            bytes(byte_of[character] for character in text) if set(text) <= byte_of.keys() else text.encode()
        )
    if kinds & {"ByteFallback", "Metaspace", "Replace"}:
        return _sentencepiece_bytes
    if kinds <= {"Fuse"}:
        return str.encode
    raise ValueError(f"its tokens are decoded by {', '.join(sorted(kinds))}, which is not known here")


def _sentencepiece_bytes(text: str) -> bytes:
    byte = BYTE_TOKEN.fullmatch(text)
    return bytes([int(byte[1], 16)]) if byte else text.replace("▁", " ").encode()


def _is_of_package(error: BaseException) -> bool:
    """Whether the package raised it: a plain Exception or, where its code stopped unexpectedly, a class of PyO3's.

    That one derives from BaseException, and cannot be imported.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


class StandaloneTokenizer:
    """The tokenizer of an imported model, read by the package tokenizers."""

    def __init__(self, folder: Path) -> None:
        import tokenizers

        content = (folder / "tokenizer.model").read_text("utf-8")
        self.tokenizer = tokenizers.Tokenizer.from_str(content)
        self.encoder = tokenizers.Tokenizer.from_str(for_encoding(json.loads(content)))
        self.encoder.encode_special_tokens = True  # in a text they are plain text

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        return self.encoder.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return self.tokenizer.decode(ids, skip_special_tokens=False)
