"""Byte-pair encoding beside the `tokenizers` package, which is in Rust: training and encoding.

Both train byte-level BPE with GPT-2's pre-tokenization from 256 bytes on tiny Shakespeare (1.1 MB) from the shared data
folder, and encode it with what they learned. Stories such as training.txt repeat too few words to be a fair text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import tokenizers

from benchmarks.rows import Row
from llm.tokenizers.bpe import BpeTokenizer

TEXT = Path(__file__).parents[2] / "shared" / "data" / "shakespeare.txt"


def train_theirs(text: str, d_vocab: int) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=d_vocab, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def training(d_vocab: int) -> Row:
    text = TEXT.read_text("utf-8")
    ours = partial(BpeTokenizer.train, text, d_vocab)
    return Row(ours, partial(train_theirs, text, d_vocab), "tokenizers", 0.1)


def encoding() -> Row:
    text = TEXT.read_text("utf-8")
    ours = partial(BpeTokenizer.train(text, 2048).encode_array, text)
    return Row(ours, partial(train_theirs(text, 2048).encode, text), "tokenizers", 1.0)


ROWS: dict[str, Callable[[], Row]] = {
    "bpe-training-1024": partial(training, 1024),
    "bpe-training-8192": partial(training, 8192),
    "bpe-encoding": encoding,
}
