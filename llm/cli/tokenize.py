"""`uv run llm tokenize`: show the tokens of a text."""

from __future__ import annotations

import json
import sys
from typing import Any

from llm import tokenizers
from llm.cli.flags import Command, ParsedFlags, flag, reject_combination, require_flag
from llm.cli.shared_flags import DEFAULT_TEXT, d_vocab_flag, run_folder, tokenizer_flag
from llm.cli.terminal import visible
from llm.runtime.text import decode_utf8, normalize_text
from llm.tokenizers import Tokenizer, load_tokenizer


def tokenize(flags: ParsedFlags) -> int:
    """Print the id and the text of each token, one per line."""
    text = require_flag(flags, "text", "the text to tokenize, or - for standard input")
    tokenizer = _tokenizer(flags)
    text = decode_utf8(sys.stdin.buffer.read(), "Standard input") if text == "-" else normalize_text(text)
    tokens = tokenizer.encode(text)
    print(f"{len(tokens):,} tokens for {len(text):,} characters ({tokenizer.kind}, d_vocab={tokenizer.d_vocab:,})")
    for token in tokens:
        print(f"{token:>7}  {visible(json.dumps(tokenizer.token_text(token), ensure_ascii=False))}")
    return 0


def _tokenizer(flags: ParsedFlags) -> Tokenizer:
    """The tokenizer of a run, or one trained now."""
    if "checkpoint" in flags:
        reject_combination(flags, "checkpoint", "a run has its own tokenizer", allowed=["text"])
        return load_tokenizer(run_folder(flags["checkpoint"]))
    from llm.data import read_text, train_tokenizer

    return train_tokenizer(
        flags.get("tokenizer", tokenizers.DEFAULT_TOKENIZER),
        read_text(flags.get("data", DEFAULT_TEXT)),
        flags.get("d_vocab"),
    )


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "text": flag(str, "Text to tokenize; - reads standard input."),
        "checkpoint": flag(str, "Run whose tokenizer to use: a folder or a run id.", "trained on --data"),
        "tokenizer": tokenizer_flag(),
        "data": flag(str, "Text on whose training part the tokenizer is trained: a UTF-8 file.", DEFAULT_TEXT),
        "d_vocab": d_vocab_flag(),
    }


COMMAND = Command("Show the tokens of a text, with a run's tokenizer or one trained now.", command_flags, tokenize)
