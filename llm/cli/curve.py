"""`uv run llm curve`: the loss curves of a run as CSV."""

from __future__ import annotations

import csv
import json
import sys
from typing import Any

from llm.cli.flags import Command, ParsedFlags, flag
from llm.cli.shared_flags import checkpoints_dir_flag, required_run


def curve(flags: ParsedFlags) -> int:
    """Print a row for each point of each curve, or one JSON object per line."""
    path = required_run(flags, "the run whose losses to print")

    from llm.comparison.tables import LOSS_FIELDS, loss_rows
    from llm.runs.folder import RunFolder

    rows = loss_rows(RunFolder(path))
    if flags.get("json"):
        for row in rows:
            print(json.dumps(row))
        return 0
    writer = csv.DictWriter(sys.stdout, LOSS_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return 0


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "run": flag(str, "Run whose losses to print, a folder or a run id; the flag's name may be left out."),
        "json": flag(bool, "Print one JSON object per line, for scripts.", False),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


COMMAND = Command(
    "Print the loss curves of a run as CSV: of each step, smoothed, and on validation text.",
    command_flags,
    curve,
    subject="run",
)
