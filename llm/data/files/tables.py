"""Tables: csv, tsv, json and jsonl. Each row is a document; its text is in one column."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from llm.data.files.text_file import TextFile, UnreadableFileError
from llm.runtime.text import count, parse_json

DELIMITERS = ",;\t|"
USUAL_COLUMNS = ("text", "content", "body", "story", "document", "sentence")
MAX_COLUMNS = 1000
Row = dict[str, Any]


def read_table(text: str, name: str, suffix: str, column: str) -> TextFile:
    """The rows of a table, of which the first line or every object names the columns; `column` is the text's.

    Without one, the text is in the column that has a usual name, or else in the one with the most characters. JSON can
    also be a list of texts, which has no columns.

    Raises UnreadableFileError: it is damaged, has no text, or no such column.
    """
    try:
        rows = list(_READERS[suffix](text))
    except (csv.Error, ValueError, RecursionError) as error:  # a JSON error is a ValueError
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UnreadableFileError(f"{name} is not valid {suffix[1:]}: {reason}") from None
    if rows and all(isinstance(row, str) for row in rows):
        return _taken(name, suffix, rows, (), "")
    sizes: dict[str, int] = {}
    for row in rows:
        if not isinstance(row, dict):
            raise UnreadableFileError(f"{name} holds neither texts nor rows with named columns: {row!r:.60}")
        for key, value in row.items():
            if isinstance(value, str) and value.strip():
                sizes[key] = sizes.get(key, 0) + len(value)
    if not sizes or len(sizes) > MAX_COLUMNS:
        what = "no column with text" if not sizes else f"{len(sizes):,} columns: at most {MAX_COLUMNS:,} are read"
        raise UnreadableFileError(f"{name} has {what}")
    usual = [key for wanted in USUAL_COLUMNS for key in sizes if key.strip().lower() == wanted]
    chosen = column or (usual[0] if usual else max(sizes, key=sizes.__getitem__))
    if chosen not in sizes:
        raise UnreadableFileError(f"{name} has no text in a column {chosen!r:.60}: it has {', '.join(sizes)[:200]}")
    return _taken(name, suffix, [row.get(chosen) for row in rows], tuple(sizes), chosen)


def _taken(name: str, suffix: str, cells: list[Any], columns: tuple[str, ...], column: str) -> TextFile:
    documents = tuple(cell.strip() for cell in cells if isinstance(cell, str) and cell.strip())
    if not documents:
        raise UnreadableFileError(f"{name} has no text in it")
    others = [other for other in columns if other != column]
    left_out = [f"other columns: {', '.join(others)[:200]}"] if others else []
    if len(documents) < len(cells):
        left_out.append(f"{count(len(cells) - len(documents), 'row')} without text in this column")
    return TextFile(name, f"table ({suffix[1:]})", documents, tuple(left_out), columns, column)


def _csv(text: str) -> Iterator[Row]:
    """Rows by the names in the first line; what separates columns is what occurs most often in it."""
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    names = next(rows, [])
    for row in filter(None, rows):
        yield dict(zip(names, row, strict=False))  # of short and long rows no more than there is


def _json(text: str) -> list[Any]:
    """A list, the only list in an object, or an object alone."""
    found = parse_json(text)
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else [found]
    return found if isinstance(found, list) else [found]


def _json_lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield parse_json(line)
            except ValueError as error:
                raise ValueError(f"line {number:,}: {error}") from None


_READERS = {".csv": _csv, ".tsv": _csv, ".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines}
SUFFIXES = frozenset(_READERS)
