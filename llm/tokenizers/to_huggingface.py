"""A tokenizer that was trained here, as the tokenizer.json that Hugging Face's `tokenizers` reads, with the same ids.

Each function returns the parts of the file that its kind decides; `tokenizer_json` completes them.
"""

from __future__ import annotations

import json
from typing import Any

from llm.tokenizers.base import Tokenizer
from llm.tokenizers.huggingface import byte_characters

# The same chunks as the SPLIT_PATTERN of `llm.tokenizers.bpe`, without what Oniguruma, the package's regular
# expressions, lacks: here `$` would also match before a last line break.
CHUNK = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LINE = r"[^\n]{0,999}\n|[^\n]{1,1000}"  # no piece of SentencePiece crosses the end of a line, nor of 1,000 characters
CHARACTER = r"[\s\S]"
UNKNOWN = "<unknown>"  # a word-level model must name one; no token has this name, so an unknown character is an error


def tokenizer_json(tokenizer: Tokenizer, parts: dict[str, Any]) -> bytes:
    """The file's content, with the tokens that no text is encoded to as special ones."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [
        {"id": token, "content": content, "special": True, **plain}
        for token, content in tokenizer.special_tokens.items()
    ]
    content = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "post_processor": None, **parts,
    }  # fmt: skip
    return json.dumps(content, ensure_ascii=False).encode()


def characters(tokenizer: Tokenizer) -> dict[str, Any]:
    """One word a character."""
    return {
        "pre_tokenizer": _split(CHARACTER),
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": _texts(tokenizer), "unk_token": UNKNOWN},
    }


def byte_pairs(tokenizer: Tokenizer) -> dict[str, Any]:
    """Bytes as visible characters, and the merges in their order."""
    visible = byte_characters()
    spelt = ["".join(visible[byte] for byte in tokenizer.token_bytes(token)) for token in _learned(tokenizer)]
    by_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [_split(CHUNK), by_bytes]},
        "decoder": by_bytes,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {text: token for token, text in enumerate(spelt)},
            "merges": [[spelt[left], spelt[right]] for left, right, _ in tokenizer.merges or ()],
        },
    }  # fmt: skip


def pieces(tokenizer: Tokenizer) -> dict[str, Any]:
    """Pieces with their scores; what the package SentencePiece wants replaced is written as it is."""
    scores = tokenizer.piece_scores()  # type: ignore[attr-defined]
    return {
        "pre_tokenizer": _split(LINE),
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "Unigram", "unk_id": None, "byte_fallback": False,
            "vocab": [[text, score] for text, score in zip(_texts(tokenizer), scores, strict=True)],
        },
    }  # fmt: skip


def _learned(tokenizer: Tokenizer) -> range:
    """The ids without those that no text is encoded to, which come last."""
    return range(tokenizer.d_vocab - len(tokenizer.special_tokens))


def _texts(tokenizer: Tokenizer) -> dict[str, int]:
    return {tokenizer.token_bytes(token).decode(): token for token in _learned(tokenizer)}


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
