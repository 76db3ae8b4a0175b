"""`uv run llm presets`: what presets have, and where two to four of them differ."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from typing import Any

from llm.cli.flags import Command, ParsedFlags, flag
from llm.cli.shared_flags import choice
from llm.cli.terminal import visible
from llm.presets import ARCHITECTURES, SIZE_DESCRIPTIONS
from llm.presets.comparison import Row, compare_presets

WIDTH = 100  # characters of a line


def presets(flags: ParsedFlags) -> int:
    """Print a list of the presets, or the rows in which those that were named differ."""
    names, size = flags.get("names", ()), flags.get("size", "small")
    if not names:
        about = {name: {"title": entry.title, "description": entry.description, "paper": entry.paper}
                 for name, entry in ARCHITECTURES.items()}  # fmt: skip
        lines = [f"{name:8} {entry['description']} ({entry['paper']})" for name, entry in about.items()]
        print(json.dumps(about, ensure_ascii=False) if flags.get("json") else visible("\n".join(lines)))
        return 0
    rows = compare_presets(names, size)
    if flags.get("json"):
        print(json.dumps({"presets": names, "size": size, "rows": [dataclasses.asdict(row) for row in rows]},
                         ensure_ascii=False))  # fmt: skip
    else:
        print(visible("\n".join(line for row in rows for line in _lines(names, row))))
    return 0


def _lines(names: tuple[str, ...], row: Row) -> list[str]:
    lines = [row.field]
    for name, value, reason in zip(names, row.values, row.reasons, strict=True):
        head = f"  {name:8} {value}"
        lines += textwrap.wrap(f"{head}. {reason}" if reason else head, WIDTH, subsequent_indent=" " * 11)
    return lines


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "names": flag(tuple[str, ...], "Two to four presets to compare; the flag's name may be left out.", "list all"),
        "size": choice("Size of the presets.", SIZE_DESCRIPTIONS, "small"),
        "json": flag(bool, "Print one JSON object, for scripts.", False),
    }


COMMAND = Command(
    "Compare presets: only what differs, each with the reason and the paper.",
    command_flags,
    presets,
    subject="names",
)
