"""Text to token ids and back: characters, byte-pair encoding, SentencePiece, and GPT-2's own."""

from __future__ import annotations

import json
from pathlib import Path

from llm.tokenizers.base import MODEL_FILE, SETTINGS_FILE, TextDecoder, Tokenizer, UnknownCharacterError
from llm.tokenizers.bpe import BpeTokenizer, Merge
from llm.tokenizers.char import CharTokenizer
from llm.tokenizers.gpt2 import Gpt2Tokenizer
from llm.tokenizers.sentencepiece import SentencePieceTokenizer

__all__ = [
    "DEFAULT_D_VOCAB",
    "TOKENIZERS",
    "Merge",
    "TextDecoder",
    "Tokenizer",
    "UnknownCharacterError",
    "build_tokenizer",
    "load_tokenizer",
]

TOKENIZERS: dict[str, str] = {
    "char": "Every different character of the text is a token. Small and easy to see through.",
    "bpe": "Starts from bytes and joins the pairs seen most often, learned from the text. Knows every script.",
    "sentencepiece": "Pieces of words that make the text most likely (a unigram model), learned from the text.",
    "gpt2": "GPT-2's 50,257 tokens, learned from web pages. Needs the internet the first time.",
}
DEFAULT_D_VOCAB: dict[str, int] = {"bpe": 2048, "sentencepiece": 2048}

_CLASSES: dict[str, type[Tokenizer]] = {
    tokenizer.kind: tokenizer for tokenizer in (CharTokenizer, BpeTokenizer, SentencePieceTokenizer, Gpt2Tokenizer)
}


def build_tokenizer(kind: str, text: str, d_vocab: int | None = None) -> Tokenizer:
    """A tokenizer for a text.

    Args:
        kind: a key of TOKENIZERS.
        text: what it learns from (gpt2 does not).
        d_vocab: the size of vocabulary to aim for, with bpe and sentencepiece; the tokenizer's own d_vocab tells what
            came out, less where the text is too short. Left out: DEFAULT_D_VOCAB, and for sentencepiece at least 256
            more than the text has different characters. char and gpt2 have the size that they have, whatever it says.

    Raises ValueError for an unknown kind, an empty text, and a d_vocab too small for the kind and text.
    """
    _require_known(kind)
    if not text:
        raise ValueError("The text is empty: a tokenizer needs at least one character to learn from")
    if kind == "char":
        return CharTokenizer.train(text)
    if kind == "gpt2":
        return Gpt2Tokenizer.fetch()
    if kind == "bpe":
        return BpeTokenizer.train(text, DEFAULT_D_VOCAB[kind] if d_vocab is None else d_vocab)
    if d_vocab is None:
        d_vocab = max(DEFAULT_D_VOCAB[kind], len(set(text)) + 256)
    return SentencePieceTokenizer.train(text, d_vocab)


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer that was saved into a folder.

    Its files are only ever read as data. Raises FileNotFoundError where there is no tokenizer.json, and ValueError,
    with the reason, where a file is damaged.
    """
    path = Path(folder) / SETTINGS_FILE
    model_path = Path(folder) / MODEL_FILE
    if not path.is_file():
        raise FileNotFoundError(f"There is no tokenizer in {folder}: it has no file {SETTINGS_FILE}")
    try:
        description = json.loads(path.read_bytes())
        if not isinstance(description, dict):
            raise ValueError("it is not a JSON object")
        _require_known(description.get("kind"))
        model = model_path.read_bytes() if model_path.is_file() else b""
        tokenizer = _CLASSES[description["kind"]].restore(description, model)
        if tokenizer.d_vocab != description.get("d_vocab"):
            raise ValueError(
                f"it tells of d_vocab={description.get('d_vocab')!r:.80} but has {tokenizer.d_vocab} tokens"
            )
    except (ValueError, RecursionError) as error:  # RecursionError: JSON nested too deeply
        raise ValueError(f"The tokenizer file {path} is damaged: {error}") from error
    return tokenizer


def _require_known(kind: object) -> None:
    if not isinstance(kind, str) or kind not in _CLASSES:
        raise ValueError(f"There is no tokenizer {kind!r:.80}: choose one of {', '.join(_CLASSES)}")
