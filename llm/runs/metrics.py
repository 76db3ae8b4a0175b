"""metrics.jsonl of a run folder: one JSON object per line, appended to while others read it.

A line that is not JSON (the disk was full while it was written) is skipped.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from llm.runtime.files import write_bytes


class MetricsChunk(NamedTuple):
    """New lines of metrics.jsonl; `reset`: it was rewritten, and `rows` begin at its start."""

    rows: list[dict[str, Any]]
    next_offset: int
    reset: bool


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add one line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(row))


def read_metrics(path: Path, offset: int = 0) -> MetricsChunk:
    """The complete lines from this byte on; a line that is still being written waits for the next call.

    If no line begins at `offset`, the file has been replaced since that offset was returned.
    """
    if not path.exists():
        return MetricsChunk([], 0, offset > 0)
    with path.open("rb") as file:
        file.seek(max(0, offset - 1))
        reset = offset > 0 and file.read(1) != b"\n"
        start = file.seek(0 if reset else offset)
        content = file.read()
    complete = content[: content.rfind(b"\n") + 1]
    rows = [row for row in parse_rows(complete) if type(row.get("step")) is int]
    return MetricsChunk(rows, start + len(complete), reset)


def truncate_metrics(path: Path, step: int) -> None:
    """Remove the lines after this step: a resumed run writes them again."""
    rows = [row for row in read_metrics(path).rows if row["step"] <= step]
    write_bytes(path, "".join(map(_line, rows)).encode())


def last_validation_loss(path: Path, tail: int = 200_000) -> float | None:
    """The newest validation loss in the last `tail` bytes, in nats per token; None where there is none."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - tail))
        lines = file.read().split(b"\n")
    for line in reversed(lines):
        if b'"evaluation": {' in line:
            for row in parse_rows(line):
                with suppress(KeyError, TypeError, ValueError, OverflowError):
                    return float(row["evaluation"]["loss"])
    return None


def parse_rows(content: bytes) -> list[dict[str, Any]]:
    """The JSON objects in these lines."""
    rows = []
    for line in content.split(b"\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
