"""Text to token ids and back: characters, byte-pair encoding, SentencePiece, and GPT-2's own.

Each kind's file holds its code, its entry here everything else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm.registry import Registry
from llm.runtime.regular_files import read_regular
from llm.tokenizers import bpe, char, gpt2, huggingface, sentencepiece, sentencepiece_model, to_huggingface
from llm.tokenizers.base import MODEL_FILE, SETTINGS_FILE, Merge, TextDecoder, Tokenizer, UnknownCharacterError
from llm.tokenizers.bpe import BpeTokenizer
from llm.tokenizers.char import CharTokenizer
from llm.tokenizers.gpt2 import N_TOKENS, Gpt2Tokenizer
from llm.tokenizers.huggingface import HuggingFaceTokenizer
from llm.tokenizers.sentencepiece import SentencePieceTokenizer
from llm.tokenizers.sentencepiece_model import SentencePieceModelTokenizer

__all__ = [
    "DEFAULT_D_VOCAB",
    "DEFAULT_TOKENIZER",
    "IMPORTED",
    "REGISTRY",
    "Merge",
    "TextDecoder",
    "Tokenizer",
    "TokenizerEntry",
    "UnknownCharacterError",
    "build_tokenizer",
    "load_tokenizer",
    "saved_kind",
    "with_a_size",
]

DEFAULT_TOKENIZER = "bpe"
DEFAULT_D_VOCAB = 2048  # of the kinds whose size can be chosen
MAX_FILE_BYTES = 100_000_000  # of a saved tokenizer's file; those of a million tokens have less


@dataclass(frozen=True)
class SavedTokenizerEntry:
    """What others need to know of a kind of tokenizer that a run folder can hold."""

    label: str
    nothing_to_replay: str  # how it splits a text without merges, in a sentence; empty for a kind that merges pairs
    restore: Callable[[dict[str, Any], bytes], Tokenizer]  # from the files of `Tokenizer.save`; see `Tokenizer.restore`
    # What an exported script holds: read from a saved tokenizer's folder, with encode and decode. Its source is copied,
    # with all that it names in modules of this package; beside these it imports Python's standard library, and what its
    # methods import.
    standalone: type
    # The content of the tokenizer.json that the package tokenizers reads, with the same ids
    to_huggingface: Callable[[Tokenizer], bytes]


@dataclass(frozen=True)
class TokenizerEntry(SavedTokenizerEntry):
    """What others need to know of a kind that can be made for a text."""

    help: str  # in one or two sentences
    default_d_vocab: int | None  # of a kind whose vocabulary size can be chosen, else None
    expected_d_vocab: Callable[[str], int]  # vocabulary size for a text, before it is built, if none is chosen
    build: Callable[[str, int | None, str], Tokenizer]  # the arguments of `build_tokenizer` after the kind


def _sentencepiece(text: str, d_vocab: int | None, alphabet: str) -> Tokenizer:
    least = len(set(text) | set(alphabet)) + 256  # every character needs a token, so leave room for longer pieces
    return SentencePieceTokenizer.train(text, max(DEFAULT_D_VOCAB, least) if d_vocab is None else d_vocab, alphabet)


def _written(parts: Callable[[Tokenizer], dict[str, Any]]) -> Callable[[Tokenizer], bytes]:
    return lambda tokenizer: to_huggingface.tokenizer_json(tokenizer, parts(tokenizer))


def _no_tokenizer_json(tokenizer: Tokenizer) -> bytes:
    raise ValueError("Its tokenizer came as a file of SentencePiece, and is exported as the same file")


REGISTRY: Registry[TokenizerEntry] = Registry(
    "tokenizer",
    {
        "char": TokenizerEntry(
            label="Characters",
            help="Every distinct character of the text is a token. Small and easy to follow.",
            nothing_to_replay="Each character is looked up in a list, and its place there is its id.",
            default_d_vocab=None,
            expected_d_vocab=lambda text: len(set(text)),
            build=lambda text, d_vocab, alphabet: CharTokenizer.train(text, alphabet),
            restore=CharTokenizer.restore,
            standalone=char.StandaloneTokenizer,
            to_huggingface=_written(to_huggingface.characters),
        ),
        "bpe": TokenizerEntry(
            label="Byte-pair encoding",
            help="Starts from bytes and merges the most frequent pairs of the text. Can encode every script.",
            nothing_to_replay="",
            default_d_vocab=DEFAULT_D_VOCAB,
            expected_d_vocab=lambda text: DEFAULT_D_VOCAB,
            build=lambda text, d_vocab, alphabet: BpeTokenizer.train(
                text, DEFAULT_D_VOCAB if d_vocab is None else d_vocab
            ),
            restore=BpeTokenizer.restore,
            standalone=bpe.StandaloneTokenizer,
            to_huggingface=_written(to_huggingface.byte_pairs),
        ),
        "sentencepiece": TokenizerEntry(
            label="SentencePiece",
            help="Pieces of words that make the text most likely (a unigram model), learned from the text.",
            nothing_to_replay="Of all ways to cut a text into pieces, it takes the one with the highest score.",
            default_d_vocab=DEFAULT_D_VOCAB,
            expected_d_vocab=lambda text: DEFAULT_D_VOCAB,
            build=_sentencepiece,
            restore=SentencePieceTokenizer.restore,
            standalone=sentencepiece.StandaloneTokenizer,
            to_huggingface=_written(to_huggingface.pieces),
        ),
        "gpt2": TokenizerEntry(
            label="GPT-2",
            help="GPT-2's 50,257 tokens, learned from web pages. Needs the internet the first time.",
            nothing_to_replay="",
            default_d_vocab=None,
            expected_d_vocab=lambda text: N_TOKENS,
            build=lambda text, d_vocab, alphabet: Gpt2Tokenizer.fetch(),
            restore=Gpt2Tokenizer.restore,
            standalone=gpt2.StandaloneTokenizer,
            to_huggingface=_written(to_huggingface.byte_pairs),
        ),
    },
)

# Kinds that only an imported model has: they were learned elsewhere.
IMPORTED: Registry[SavedTokenizerEntry] = Registry(
    "tokenizer",
    {
        "huggingface": SavedTokenizerEntry(
            label="Of an imported model",
            nothing_to_replay="Its tokenizer.json comes from another project, and the package tokenizers reads it: its "
            "steps are not shown.",
            restore=HuggingFaceTokenizer.restore,
            standalone=huggingface.StandaloneTokenizer,
            to_huggingface=lambda tokenizer: tokenizer.model_file() or b"",
        ),
        "sentencepiece_model": SavedTokenizerEntry(
            label="Of an imported model (SentencePiece)",
            nothing_to_replay="Its tokenizer.model comes from another project, and the package sentencepiece reads it: "
            "its steps are not shown.",
            restore=SentencePieceModelTokenizer.restore,
            standalone=sentencepiece_model.StandaloneTokenizer,
            to_huggingface=_no_tokenizer_json,
        ),
    },
)


def saved_kind(kind: str) -> SavedTokenizerEntry:
    """The entry of a kind that a run folder names. Raises ValueError for an unknown one."""
    return IMPORTED[kind] if kind in IMPORTED else REGISTRY[kind]


def with_a_size() -> list[str]:
    """The kinds whose vocabulary size can be chosen."""
    return [kind for kind, entry in REGISTRY.items() if entry.default_d_vocab is not None]


def build_tokenizer(kind: str, text: str, d_vocab: int | None = None, alphabet: str = "") -> Tokenizer:
    """A tokenizer for a text.

    Args:
        kind: a name in REGISTRY.
        text: what it learns from (gpt2 does not).
        d_vocab: the vocabulary size to aim for, with bpe and sentencepiece; the tokenizer's own d_vocab is
            smaller if the text is too short. None: 2048, and for sentencepiece at least 256 more than the text
            has distinct characters. char and gpt2 ignore it.
        alphabet: characters that it must be able to encode even if the text lacks them. bpe and gpt2 can encode every
            character anyway, as bytes.

    Raises ValueError for an unknown kind, an empty text, and a d_vocab too small for the kind and text.
    """
    entry = _entry(kind)
    if not text:
        raise ValueError("The text is empty: a tokenizer needs at least one character to learn from")
    return entry.build(text, d_vocab, alphabet)


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer that was saved into a folder.

    Its files are read as data only. Raises FileNotFoundError where there is no tokenizer.json, and ValueError,
    with the reason, where a file is damaged.
    """
    path = Path(folder) / SETTINGS_FILE
    model_path = Path(folder) / MODEL_FILE
    if not os.path.lexists(path):
        raise FileNotFoundError(f"There is no tokenizer in {folder}: it has no file {SETTINGS_FILE}")
    try:
        settings = json.loads(read_regular(path, MAX_FILE_BYTES))
        if not isinstance(settings, dict):
            raise ValueError("it is not a JSON object")
        kind = settings.get("kind")
        restore = (IMPORTED[kind] if isinstance(kind, str) and kind in IMPORTED else _entry(kind)).restore
        model = read_regular(model_path, MAX_FILE_BYTES) if os.path.lexists(model_path) else b""
        tokenizer = restore(settings, model)
        if "end_of_text" in settings:
            tokenizer.add_end_of_text()
        if "mask_token" in settings:
            tokenizer = tokenizer.with_mask_token()
        if tokenizer.d_vocab != settings.get("d_vocab"):
            raise ValueError(f"it says d_vocab={settings.get('d_vocab')!r:.80} but has {tokenizer.d_vocab} tokens")
    except (ValueError, RecursionError) as error:  # RecursionError: JSON nested too deeply
        raise ValueError(f"The tokenizer file {path} is damaged: {error}") from error
    return tokenizer


def _entry(kind: object) -> TokenizerEntry:
    """The entry of this kind, which may come from a damaged file: anything, of any length."""
    if not isinstance(kind, str) or kind not in REGISTRY:
        raise ValueError(f"tokenizer must be one of {', '.join(REGISTRY)}, got {kind!r:.80}")
    return REGISTRY[kind]
