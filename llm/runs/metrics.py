"""metrics.jsonl of a run folder: one JSON object per line, appended to while others read it.

A line that is not JSON (the disk was full while it was written) is skipped, and a value of another kind than its field
has reads as None.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from llm.config import INT_LIMIT
from llm.runtime.files import write_bytes
from llm.runtime.regular_files import is_regular, open_regular, read_regular
from llm.runtime.text import parse_json


class MetricsChunk(NamedTuple):
    """New lines of metrics.jsonl; `reset`: it was rewritten, and `rows` begin at its start."""

    rows: list[dict[str, Any]]
    next_offset: int
    reset: bool


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add one line; after a line that a full disk or a kill cut short, a new line begins.

    A file that has another name as well (a hard link) is replaced by a copy: nothing outside the folder is changed.
    """
    if is_regular(path) and path.lstat().st_nlink > 1:
        write_bytes(path, read_regular(path))
    with open_regular(path, "a+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        cut_short = size > 0 and file.read(1) != b"\n"
        file.write((b"\n" if cut_short else b"") + _line(row).encode())


def read_metrics(path: Path, offset: int = 0) -> MetricsChunk:
    """The complete lines from this byte on; a line that is still being written waits for the next call.

    If no line begins at `offset`, the file has been replaced since that offset was returned.
    """
    try:
        with open_regular(path) as file:
            file.seek(max(0, offset - 1))
            reset = offset > 0 and file.read(1) != b"\n"
            start = file.seek(0 if reset else offset)
            content = file.read()
    except FileNotFoundError:
        return MetricsChunk([], 0, offset > 0)
    complete = content[: content.rfind(b"\n") + 1]
    rows = [_checked(row, _METRICS_KINDS) for row in _rows_of_steps(complete)]
    return MetricsChunk(rows, start + len(complete), reset)


def truncate_metrics(path: Path, step: int) -> None:
    """Remove the lines after this step: a resumed run writes them again."""
    try:
        rows = [row for row in _rows_of_steps(read_regular(path)) if row["step"] <= step]
    except FileNotFoundError:
        rows = []
    write_rows(path, rows)


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Replace all lines."""
    write_bytes(path, "".join(map(_line, rows)).encode())


class LastMeasures(NamedTuple):
    """The newest evaluation, of a finished run the one on all validation text, and the newest skills."""

    evaluation: dict[str, float | None]
    skills: dict[str, float | None]
    step: int | None  # of the evaluation


def last_measures(path: Path, tail: int = 200_000) -> LastMeasures:
    """What was measured last, as far as it is in the last `tail` bytes: a list of many runs reads no more of each."""
    try:
        with open_regular(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - tail))
            content = file.read()
    except FileNotFoundError:
        content = b""
    rows = (row for line in lines_with(content, b'"evaluation": {') for row in checked_rows(line))
    measured = next((row for row in rows if row.get("final_evaluation") or row.get("evaluation")), {})
    evaluation, step = measured.get("final_evaluation") or measured.get("evaluation") or {}, measured.get("step")
    rows_with_skills = (row for line in lines_with(content, b'"skills": {') for row in checked_rows(line))
    skills = (row.get("skills") for row in rows_with_skills)
    return LastMeasures(evaluation, next(filter(None, skills), {}), step if type(step) is int else None)


def lines_with(content: bytes, mark: bytes) -> Iterator[bytes]:
    """The lines that contain `mark`, the last one first; faster than splitting into all lines."""
    end = len(content)
    while (found := content.rfind(mark, 0, end)) >= 0:
        start, stop = content.rfind(b"\n", 0, found) + 1, content.find(b"\n", found)
        yield content[start : stop if stop >= 0 else len(content)]
        end = start


def read_samples(path: Path) -> list[dict[str, Any]]:
    """The texts in samples.jsonl, oldest first."""
    try:
        rows = parse_rows(read_regular(path))
    except FileNotFoundError:
        return []
    samples = (_checked(row, _SAMPLE_KINDS) for row in rows)
    return [sample for sample in samples if sample.get("text") is not None]


def parse_rows(content: bytes) -> list[dict[str, Any]]:
    """The JSON objects in these lines."""
    rows = []
    for line in content.split(b"\n"):
        try:
            row = parse_json(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def checked_rows(content: bytes) -> list[dict[str, Any]]:
    """The rows of metrics in these lines, None in place of a value that is not of its field's kind."""
    return [_checked(row, _METRICS_KINDS) for row in parse_rows(content)]


def _rows_of_steps(content: bytes) -> list[dict[str, Any]]:
    return [row for row in parse_rows(content) if type(row.get("step")) is int and _is_number(row["step"])]


def _checked(row: dict[str, Any], kinds: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any]:
    """The row, None in place of a value that is not of its field's kind; what `kinds` does not name is a number."""
    return {name: value if kinds.get(name, _is_number)(value) else None for name, value in row.items()}


def _is_number(value: Any) -> bool:
    """Whether it is a number that a table can hold: a float, infinity too, or an integer of 64 bits."""
    return (type(value) is float and value == value) or (type(value) is int and abs(value) < INT_LIMIT)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(number is None or _is_number(number) for number in value.values())


def _is_evaluation(value: Any) -> bool:
    return _are_numbers(value) and value.get("loss") is not None


def _are_lists(value: Any) -> bool:
    """Whether it holds lists of numbers, one number or one list of numbers for each layer."""
    lists = list(value.values()) if isinstance(value, dict) else None
    if not lists or not all(isinstance(each, list) for each in lists):
        return False
    return all(_is_number(n) for each in lists for one in each for n in (one if isinstance(one, list) else [one]))


def _are_sums(value: Any) -> bool:
    """Whether it has lists of finite numbers."""
    return isinstance(value, dict) and all(
        isinstance(numbers, list) and all(_is_number(number) and abs(number) < math.inf for number in numbers)
        for numbers in value.values()
    )


_METRICS_KINDS = {
    "evaluation": _is_evaluation,
    "final_evaluation": _is_evaluation,
    "passages": _are_sums,
    "grad_norms": _are_numbers,
    "skills": _are_numbers,
    "experts": _are_lists,
    "sample": _is_text,
}
_SAMPLE_KINDS = {
    "run": _is_text,
    "text": _is_text,
    "prompt": _is_text,
    "step": lambda value: type(value) is int and _is_number(value),
    "created": lambda value: _is_number(value) and 0 <= value < 2**37,  # seconds: years that a date can have
    "sampling": lambda value: isinstance(value, dict) and _is_number(value.get("temperature")),
    "choices": _are_numbers,
}


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
