"""`uv run llm runs`: list the runs."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from typing import Any

from llm.cli.flags import Command, ParsedFlags, flag
from llm.cli.shared_flags import DEFAULT_CHECKPOINTS_DIR, checkpoints_dir_flag
from llm.cli.terminal import console, runs_table


def runs(flags: ParsedFlags) -> int:
    """Print a table of the runs, or one JSON object per line."""
    from llm.checkpoints import list_runs

    folder = flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR)
    summaries = list_runs(folder)
    if flags.get("json"):
        for run in summaries:
            print(json.dumps(dataclasses.asdict(run), default=_as_json, ensure_ascii=False))
    elif summaries:
        console().print(runs_table(summaries))
    else:
        print(f"There are no runs in {folder} yet: `uv run llm train` trains the first one.")
    return 0


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "checkpoints_dir": checkpoints_dir_flag(),
        "json": flag(bool, "Print one JSON object per line, for scripts.", False),
    }


COMMAND = Command("List the runs, newest first.", command_flags, runs)
