"""Small token caches: files of some pieces each."""

from pathlib import Path

import pytest

from llm.data.pieces import Piece
from llm.data.token_cache import TokenCache
from llm.data.tokenise import token_cache
from llm.data.worker import scan, tokenise
from llm.data.workers import Answer
from llm.tokenizers import load_tokenizer

PIECE = 700  # bytes
TEXT = "".join(
    f"the {word} fox saw {count} small birds — é.\n" for count in range(60) for word in ("red", "old", "shy")
)


def make(folder: Path, texts: list[str], kind: str = "char", d_vocab: int | None = None, **more) -> TokenCache:
    """The token cache of files with these texts."""
    files = [folder / f"{number}.txt" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        if not file.exists():
            file.write_text(text, encoding="utf-8", newline="")
    return token_cache(files, kind, d_vocab, folder / "checkpoints" / "tokens", PIECE, **more)


def in_this_process(patch: pytest.MonkeyPatch) -> None:
    """What workers do is done here: nothing is started."""

    def answers(tasks):
        for task in tasks:
            piece = Piece(*task["piece"])
            if "tokenizer" in task:
                tokenizer = load_tokenizer(task["tokenizer"])
                yield Answer({}, tokenise(piece, task["sha256"], task["ends_document"], tokenizer, task["dtype"]))
            else:
                yield Answer(scan(piece), b"")

    patch.setattr("llm.data.sources.answers", answers)
    patch.setattr("llm.data.tokenise.answers", answers)


def decoded(cache: TokenCache) -> str:
    """The text of all parts."""
    return "".join(cache.excerpt(part, 10**6) for part in cache.ids)
