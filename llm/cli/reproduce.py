"""`uv run llm reproduce`: train a run again and compare it with what it recorded."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from llm.cli.flags import Command, ParsedFlags, UsageError, flag
from llm.cli.shared_flags import checkpoints_dir_flag, required_run
from llm.cli.signals import StopSignals
from llm.cli.terminal import visible

if TYPE_CHECKING:
    from llm.runs.origin import Branched
    from llm.training.reproduction import Comparison, Difference
    from llm.training.resumes import Resume


def reproduce(flags: ParsedFlags) -> int:
    """Print how far the run came out the same, and where it first differs; exit code 0 if nowhere, else 1."""
    if flags.get("steps", 0) < 0:
        raise UsageError(f"--steps must be at least 0, got {flags['steps']}")
    path = required_run(flags, "the run to train again")
    from llm.runs.folder import RunFolder
    from llm.runs.origin import branched
    from llm.training import reproduction
    from llm.training.resumes import changed_since_start, resumes

    comparison = None
    with (
        StopSignals() as stop,
        closing(reproduction.reproduce(path, flags.get("steps"))) as comparisons,
        Progress(transient=True, disable=not sys.stdout.isatty()) as bar,
    ):
        task = bar.add_task("Training again", total=None)
        for comparison in comparisons:
            if stop.received is not None:
                return 128 + stop.received
            bar.update(task, completed=comparison.step, total=comparison.last_step)
    assert comparison is not None
    config = RunFolder(path).config()
    changed = changed_since_start(config)
    # a resume has no part in what came out until its step
    resumed = [resume for resume in resumes(config) if resume.step < comparison.step]
    if flags.get("json"):
        more = {"changed_conditions": changed, "resumed": [dataclasses.asdict(resume) for resume in resumed]}
        print(json.dumps(dataclasses.asdict(comparison) | more, ensure_ascii=False))
    else:
        print(visible(" ".join([_sentences(comparison, changed, branched(config)), *map(_resumed, resumed)])))
    return 0 if comparison.difference is None else 1


def _sentences(comparison: Comparison, changed: list[str], origin: Branched | None) -> str:
    """The result in words; conditions are named where something differs."""
    if comparison.difference is None:
        since = f"from step {origin.step:,} on, where it branched off, " if origin is not None else ""
        return f"Identical {since}through step {comparison.step:,}."
    if changed:
        return f"{_difference(comparison.difference)} What is different here: {'; '.join(changed)}."
    return f"{_difference(comparison.difference)} The recorded conditions are the same here."


def _resumed(resume: Resume) -> str:
    return f"The run was resumed at step {resume.step:,} under other conditions: {'; '.join(resume.changes)}."


def _difference(difference: Difference) -> str:
    recorded, here = difference.recorded, difference.here
    gap = ""
    if isinstance(recorded, float) and isinstance(here, float):
        gap = f" ({abs(here - recorded):.2g} {'more' if here > recorded else 'less'})"
    return f"Differs first at step {difference.step:,}: {difference.what} was {recorded!r}, and is {here!r} here{gap}."


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "run": flag(str, "Run to train again, a folder or a run id; the flag's name may be left out."),
        "steps": flag(int, "Compare only through this step.", "all that the run has taken"),
        "json": flag(bool, "Print one JSON object, for scripts.", False),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


COMMAND = Command(
    "Train a run again from its config.json and text alone, in a temporary folder, and compare every step.",
    command_flags,
    reproduce,
    subject="run",
)
