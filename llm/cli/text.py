"""`uv run llm text`: show what is taken of files as training text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm.cli.flags import Command, ParsedFlags, UsageError, flag
from llm.cli.shared_flags import column_flag
from llm.cli.terminal import visible
from llm.runtime.files import write_bytes
from llm.runtime.regular_files import require_replaceable


def text(flags: ParsedFlags) -> int:
    """Print what is taken of each file, or write the text."""
    if "data" not in flags:
        raise UsageError("llm text needs the files to read")
    output = Path(flags["output"]) if "output" in flags else None
    if output is not None:
        require_replaceable(output, "output")

    from llm.data.files.reading import read_files
    from llm.data.files.text_file import SEPARATOR, TextFile
    from llm.runtime.text import count

    def lines(file: TextFile) -> list[str]:
        of_column = f", from the column {file.column}" if file.column else ""
        return [
            f"{file.name}: {file.kind}, {count(len(file.documents), 'document')}, "
            f"{count(len(file.text), 'character')}{of_column}",
            f"  left out: {'; '.join(file.left_out) or 'nothing'}",
            f"  {file.first_lines}",
        ]

    files = read_files([Path(path) for path in flags["data"]], flags.get("column", ""))
    for file in files:
        if flags.get("json"):
            names = ("name", "kind", "column", "columns", "left_out", "first_lines")
            sizes = {"documents": len(file.documents), "characters": len(file.text)}
            print(json.dumps({name: getattr(file, name) for name in names} | sizes, ensure_ascii=False))
        else:
            print(visible("\n".join(lines(file))))
    if output is not None:
        write_bytes(output, SEPARATOR.join(file.text for file in files).encode())
    return 0


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "data": flag(tuple[str, ...], "Files to read; the flag's name may be left out."),
        "column": column_flag(),
        "output": flag(str, "File to write the whole text to.", "it is not written"),
        "json": flag(bool, "Print one JSON object per file, for scripts.", False),
    }


COMMAND = Command(
    "Show what is taken of files as training text: how much, how it begins, and what is left out.",
    command_flags,
    text,
    subject="data",
)
