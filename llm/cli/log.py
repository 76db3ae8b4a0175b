"""`uv run llm log`: a run's metrics for another program that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm.cli.flags import Command, ParsedFlags, flag, require_flag
from llm.cli.shared_flags import checkpoints_dir_flag, required_run
from llm.cli.terminal import visible, write

NAMES = ("tensorboard", "wandb")
FOLDER = "logs"


def log(flags: ParsedFlags) -> int:
    """Write the metrics, and say where they are."""
    path = required_run(flags, "the run whose metrics to write")
    name = require_flag(flags, "to", "tensorboard or wandb")

    from llm.runs.folder import RunFolder
    from llm.runs.trackers import TRACKERS, follow, require_package
    from llm.runtime.text import count

    require_package(name)
    into, folder, steps = Path(flags.get("folder", FOLDER), name), RunFolder(path), 0
    try:
        for steps in follow(folder, into, name, flags.get("follow", False)):  # noqa: B007 (said below)
            pass
    finally:
        about = TRACKERS[name].files.format(folder=into)
        write(visible(f"{count(steps, 'row')} of {folder.id} in {into}: {about}") + "\n")
    return 0


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "run": flag(str, "Run whose metrics to write, a folder or a run id; the flag's name may be left out."),
        "to": flag(str, "For which program. Nothing is sent anywhere.", choices=NAMES),
        "folder": flag(str, "Folder to write to; a folder in it has the program's name.", FOLDER),
        "follow": flag(bool, "Go on while the run trains, until it ends or Ctrl-C.", False),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


COMMAND = Command(
    "Write a run's metrics for TensorBoard or Weights & Biases, offline, while it trains or afterwards.",
    command_flags,
    log,
    subject="run",
)
