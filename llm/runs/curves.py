"""The validation loss through a run, for a small curve beside each of many runs."""

from __future__ import annotations

import math
import os
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from llm.runs.metrics import checked_rows, lines_with
from llm.runtime.regular_files import is_regular, open_regular

MOST_POINTS = 60
MOST_BYTES = 20_000_000  # read of one file; of a larger one, as many pieces as fit, evenly spaced
PIECE = 250_000


def loss_curve(metrics: Path) -> list[float]:
    """The validation loss of each evaluation in a metrics.jsonl, of many evaluations every few; empty without any."""
    if not is_regular(metrics):
        return []
    try:
        found = metrics.stat()
        return list(_losses(metrics, found.st_mtime_ns, found.st_size))
    except (OSError, ValueError):  # removed meanwhile
        return []


@lru_cache(2000)
def _losses(metrics: Path, modified: int, size: int) -> tuple[float, ...]:
    with open_regular(metrics) as file:
        lines = [line for piece in _pieces(file, size) for line in [*lines_with(piece, b'"evaluation": {')][::-1]]
    every = -(-len(lines) // MOST_POINTS) or 1
    kept = lines[::every] + ([] if (len(lines) - 1) % every == 0 else lines[-1:])
    evaluations = (row.get("evaluation") for row in checked_rows(b"\n".join(kept)))
    losses = (evaluation["loss"] for evaluation in evaluations if evaluation)
    return tuple(loss for loss in losses if math.isfinite(loss))


def _pieces(file: BinaryIO, size: int) -> list[bytes]:
    """The file, or pieces of it; a line that begins or ends outside its piece is not JSON, so nobody reads it."""
    if size <= MOST_BYTES:
        return [file.read(MOST_BYTES)]
    pieces = []
    for start in range(0, size, size * PIECE // MOST_BYTES):
        file.seek(start, os.SEEK_SET)
        pieces.append(file.read(PIECE))
    return pieces
