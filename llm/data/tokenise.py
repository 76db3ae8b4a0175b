"""Tokenise a large text once, in parallel, into its token cache; what was killed continues.

Workers tokenise pieces; this process appends their ids to the part's file, and then a line to pieces.jsonl. A piece
counts once its line is complete: a second start cuts off what comes after it, and continues with the next piece.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from llm.data.pieces import PIECE_BYTES
from llm.data.sources import Progress, Source, scan_source
from llm.data.split import DEFAULT_SPLIT, PARTS, Split
from llm.data.token_cache import FORMAT, TokenCache, TokenCacheError, dtype_of, read_pieces, tokenizer_hash, tokens_hash
from llm.data.workers import answers
from llm.runtime.files import remove_unfinished, write_json
from llm.runtime.lock import LockHeldError, ProcessLock
from llm.runtime.regular_files import is_regular, open_regular
from llm.runtime.stepwise import stepwise
from llm.tokenizers import Tokenizer, build_tokenizer, load_tokenizer


@stepwise
def token_cache(
    paths: Sequence[Path],
    kind: str,
    d_vocab: int | None,
    folder: Path,
    piece_bytes: int = PIECE_BYTES,
    split: Split = DEFAULT_SPLIT,
) -> Generator[Progress, None, TokenCache]:
    """The token cache of these files, made in `folder` unless it is there. Yields its progress.

    Several files are several documents: the tokenizer's end-of-text token comes after each. The tokenizer learns from a
    sample of the training part (`Source.sample`), and of all files which characters there are.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file that cannot be read or changes meanwhile, a tokenizer that cannot be trained, or a damaged
            cache.
        OSError: the disk is full; what is done stays, and a second start continues.
    """
    source = yield from scan_source(paths, folder / "sources", piece_bytes, split)
    documents = len(source.files) > 1
    chosen = [] if split == DEFAULT_SPLIT else [asdict(split)]  # the name of an older cache stays
    named = json.dumps([FORMAT, source.sha256, kind, d_vocab, documents, *chosen])
    path = folder / hashlib.sha256(named.encode()).hexdigest()[:16]
    if not is_regular(path / "cache.json"):
        path.mkdir(parents=True, exist_ok=True)
        try:
            lock = ProcessLock(path / "cache.lock")
        except LockHeldError as error:
            raise TokenCacheError(
                f"Another process (pid {error.pid or 'unknown'}) is tokenising this text: wait until it has ended"
            ) from None
        try:
            remove_unfinished(path)
            tokenizer = yield from _tokenizer(path, source, kind, d_vocab, documents)
            yield from _tokenise(path, source, tokenizer)
        finally:
            lock.release()
    return TokenCache.open(path)


def _tokenizer(
    path: Path, source: Source, kind: str, d_vocab: int | None, documents: bool
) -> Generator[Progress, None, Tokenizer]:
    """The tokenizer of a cache: trained and saved, unless it was."""
    try:
        return load_tokenizer(path)
    except (FileNotFoundError, ValueError):
        yield Progress("Training the tokenizer", 0, 1)
    tokenizer = build_tokenizer(kind, source.sample(), d_vocab, source.alphabet)
    if documents:
        tokenizer.add_end_of_text()
    for name in ("pieces.jsonl", *(f"{part}.tokens" for part in PARTS)):  # made by a tokenizer that is gone
        (path / name).unlink(missing_ok=True)
    tokenizer.save(path)
    return tokenizer


def _tokenise(path: Path, source: Source, tokenizer: Tokenizer) -> Generator[Progress, None, None]:
    """Tokenise the pieces that are left, and complete the cache."""
    wanted, dtype = source.parts(), dtype_of(tokenizer)
    itemsize = np.dtype(dtype).itemsize
    done = _continue(path, [part for part, *_ in wanted], itemsize)
    tasks = [
        {
            "piece": piece,
            "sha256": sha256,
            "ends_document": ends_document,
            "tokenizer": str(path.resolve()),
            "dtype": dtype,
        }
        for _, piece, sha256, ends_document in wanted[len(done) :]
    ]
    for number, answer in enumerate(answers(tasks), len(done)):
        part = wanted[number].part
        _append(path / f"{part}.tokens", answer.tokens)
        row = {
            "part": part,
            "tokens": len(answer.tokens) // itemsize,
            "sha256": hashlib.sha256(answer.tokens).hexdigest(),
        }
        _append(path / "pieces.jsonl", json.dumps(row).encode() + b"\n")
        done.append(row)
        yield Progress("Tokenising", number + 1, len(wanted))
    write_json(
        path / "cache.json",
        {
            "format": FORMAT,
            "name": source.name,
            "files": [file.path for file in source.files],
            "content": source.sha256,
            "split": asdict(source.split),
            "tokenizer": tokenizer_hash(path),
            "sha256": tokens_hash([row["sha256"] for row in done]),
            "tokens": {part: sum(row["tokens"] for row in done if row["part"] == part) for part in PARTS},
            "characters": {
                part: sum((piece.last or 0) - piece.first for of, piece, _, _ in wanted if of == part) for part in PARTS
            },
        },
    )


def _continue(path: Path, parts: Sequence[str], itemsize: int) -> list[dict[str, Any]]:
    """The pieces that are done; what was written after the last of them is cut off."""
    try:
        done = read_pieces(path)
    except ValueError:
        done = []
    if [row["part"] for row in done] != parts[: len(done)] or any(row["tokens"] < 0 for row in done):
        done = []  # damaged
    while any(_size(path / f"{part}.tokens") < _tokens(done, part) * itemsize for part in PARTS):
        done.pop()  # its line reached the disk, and its tokens did not
    _truncate(path / "pieces.jsonl", sum(len(json.dumps(row)) + 1 for row in done))
    for part in PARTS:
        _truncate(path / f"{part}.tokens", _tokens(done, part) * itemsize)
    return done


def _tokens(rows: Sequence[dict[str, Any]], part: str) -> int:
    return sum(row["tokens"] for row in rows if row["part"] == part)


def _append(path: Path, content: bytes) -> None:
    _changed(path, lambda file: file.write(content))


def _truncate(path: Path, size: int) -> None:
    _changed(path, lambda file: os.ftruncate(file.fileno(), size))


def _changed(path: Path, change: Callable[[Any], object]) -> None:
    """Change a file, and wait until the change is on the disk."""
    with open_regular(path, "a+b") as file:
        change(file)
        file.flush()
        os.fsync(file.fileno())


def _size(path: Path) -> int:
    return path.stat().st_size if is_regular(path) else 0
