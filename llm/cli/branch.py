"""`uv run llm branch`: go on from a snapshot of a run, in a new run, with settings changed or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm.cli.flags import Command, ParsedFlags, config_flags, flag
from llm.cli.large_text import remake_token_cache
from llm.cli.runs import print_json
from llm.cli.shared_flags import checkpoints_dir_flag, required_run
from llm.cli.training import train_with
from llm.config import ModelConfig, TrainingConfig, describe
from llm.training.changes import CHANGEABLE

if TYPE_CHECKING:
    from llm.runtime.processes import Processes
    from llm.training.trainer import Trainer

OWN = ("run", "at", "checkpoints_dir", "json")  # flags beside the settings


def branch(flags: ParsedFlags) -> int:
    """Train the branch and show its progress, or in the end what came of it; returns the exit code."""
    path = required_run(flags, "the run to go on from")
    changes = {name: value for name, value in flags.items() if name not in OWN}
    as_json = flags.get("json", False)
    made: list[Path] = []

    def prepare(processes: Processes) -> Callable[[], Trainer]:
        from llm.training.branching import start_branch

        def start() -> Trainer:
            trainer = start_branch(path, flags.get("at"), changes, processes)
            if processes.first and trainer.folder is not None:
                made.append(trainer.folder.path)
            return trainer

        processes.together(lambda: remake_token_cache(path) if processes.first else None)
        return start

    code = train_with(prepare, quiet=as_json)
    if as_json and made:
        print_json(made[0])
    return code


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    fixed = [name for config in (TrainingConfig, ModelConfig) for name in describe(config) if name not in CHANGEABLE]
    return {
        "run": flag(str, "Run to go on from, a folder or a run id; the flag's name may be left out."),
        "at": flag(int, "Step of the snapshot to go on from.", "the newest"),
        "checkpoints_dir": checkpoints_dir_flag(),
        "json": flag(bool, "Print the new run as one JSON object in the end, for scripts, and no progress.", False),
        **config_flags(TrainingConfig, default="the run's", leave_out=fixed),
        **config_flags(ModelConfig, default="the run's", leave_out=fixed),
    }


COMMAND = Command(
    "Go on from a snapshot of a run, in a new run: the same weights, optimizer state and next batches, with the "
    "settings of training given here changed. More --steps continue a finished run.",
    command_flags,
    branch,
    subject="run",
)
