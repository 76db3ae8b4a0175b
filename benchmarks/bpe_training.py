"""BPE training: ours in Python against the `tokenizers` package's in Rust, on the same text in one run.

    uv run python benchmarks/bpe_training.py [TEXT] [D_VOCAB]

By default TEXT is tiny Shakespeare (1.1 MB) from the shared data folder, and D_VOCAB 1,024. Both train byte-level BPE
with GPT-2's pre-tokenization from 256 bytes; best of three runs each, alternating. Prints both times, their ratio, and
how many learned tokens are the same, as a check that both did the same work.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import tokenizers

from llm.tokenizers.bpe import BpeTokenizer

SHAKESPEARE = Path(__file__).parents[2] / "shared" / "data" / "shakespeare.txt"
ROUNDS = 3


def train_ours(text: str, d_vocab: int) -> set[bytes]:
    tokenizer = BpeTokenizer.train(text, d_vocab)
    return {tokenizer.token_bytes(token) for token in range(tokenizer.d_vocab)}


def train_theirs(text: str, d_vocab: int) -> set[bytes]:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=d_vocab, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    byte_of = gpt2_byte_of_character()
    return {bytes(byte_of[character] for character in token) for token in tokenizer.get_vocab()}


def gpt2_byte_of_character() -> dict[str, int]:
    """The package writes each byte as a visible character, as GPT-2 did: itself, or else the next from U+0100."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + index): byte for index, byte in enumerate(hidden)}


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SHAKESPEARE
    d_vocab = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
    if not path.is_file():
        print(f"Skipped: {path} does not exist; pass another text: benchmarks/bpe_training.py TEXT")
        return
    text = path.read_text(encoding="utf-8")
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    tokens: dict[str, set[bytes]] = {}
    for _ in range(ROUNDS):
        for name, train in (("ours", train_ours), ("theirs", train_theirs)):
            started = time.perf_counter()
            tokens[name] = train(text, d_vocab)
            seconds[name].append(time.perf_counter() - started)
    ours, theirs = min(seconds["ours"]), min(seconds["theirs"])
    print(f"{path.name}: {len(text.encode()):,} bytes to {len(tokens['ours']):,} tokens, best of {ROUNDS}")
    print(f"ours (Python)       {ours:6.2f} s")
    print(f"tokenizers {tokenizers.__version__:8} {theirs:6.2f} s")
    print(f"ratio               {ours / theirs:6.2f}")
    print(f"tokens in common    {len(tokens['ours'] & tokens['theirs']):,} of {len(tokens['theirs']):,}")


if __name__ == "__main__":
    main()
