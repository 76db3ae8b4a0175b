"""The tokenizer of an imported model that comes as a file of SentencePiece, as those of Llama 1 and 2 and Gemma do.

Unlike a tokenizer that is trained here (`llm.tokenizers.sentencepiece`), it keeps the file's ids, normalises the text
as the file says, and writes unknown characters as bytes where it can. Control symbols, such as <s>, are ids that no
text is encoded to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import sentencepiece

from llm.tokenizers.base import Tokenizer, require_valid_unicode
from llm.tokenizers.huggingface import BYTE_TOKEN, MAX_D_VOCAB


class SentencePieceModelTokenizer(Tokenizer):
    """Encodes by the package's own code; ids beyond the file's pieces, which pad a model's vocabulary, are empty."""

    kind = "sentencepiece_model"

    def __init__(self, content: bytes, d_vocab: int) -> None:
        """`content`: of a tokenizer.model; `d_vocab`: of the model. Raises ValueError where they do not fit."""
        if not content or not 1 <= d_vocab <= MAX_D_VOCAB:
            raise ValueError("its tokenizer.model is empty, or its d_vocab is too large")
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        except RuntimeError:  # what the package raises for any file it cannot read
            raise ValueError("its tokenizer.model is not a SentencePiece model") from None
        self._content = content
        count = self._processor.vocab_size()
        if count > d_vocab:
            raise ValueError(f"its {count} pieces do not fit the model, whose d_vocab is {d_vocab}")
        pieces = [self._bytes(piece) for piece in range(count)]
        super().__init__(pieces + [b""] * (d_vocab - count))
        end = self._processor.eos_id()
        self.end_of_text = end if end >= 0 else None

    def _bytes(self, piece: int) -> bytes:
        text = self._processor.id_to_piece(piece)
        byte = BYTE_TOKEN.fullmatch(text) if self._processor.is_byte(piece) else None
        return bytes([int(byte[1], 16)]) if byte else text.replace("▁", " ").encode()

    def encode(self, text: str) -> list[int]:
        """Ids of the text, with nothing put before or after it."""
        require_valid_unicode(self.kind, text)
        return list(self._processor.encode(text))

    def settings(self) -> dict[str, Any]:
        """Nothing: tokenizer.model holds it all."""
        return {}

    def model_file(self) -> bytes:
        """The file as it came."""
        return self._content

    @classmethod
    def restore(cls, settings: dict[str, Any], model: bytes) -> Self:
        """Build from what was saved."""
        d_vocab = settings.get("d_vocab")
        if type(d_vocab) is not int:
            raise ValueError("its d_vocab is no integer")
        return cls(model, d_vocab)


class StandaloneTokenizer:
    """The tokenizer of an imported model, read by the package sentencepiece."""

    def __init__(self, folder: Path) -> None:
        import sentencepiece

        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        return list(self.processor.encode(text))

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return self.processor.decode(ids)
