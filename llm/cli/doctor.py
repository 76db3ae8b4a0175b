"""`uv run llm doctor`: what is wrong with a run, or fine, and the one thing to try."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from typing import Any

from llm.cli.flags import Command, ParsedFlags, flag
from llm.cli.shared_flags import checkpoints_dir_flag, required_run
from llm.cli.terminal import console, visible


def doctor(flags: ParsedFlags) -> int:
    """Print what was found, or one JSON object."""
    path = required_run(flags, "the run to look at")

    import llm

    diagnosis = llm.diagnose(path)
    if flags.get("json"):
        print(json.dumps(dataclasses.asdict(diagnosis) | {"advice": diagnosis.advice}, ensure_ascii=False))
        return 0
    print(visible(f"Run {diagnosis.run}, step {diagnosis.step:,} of {diagnosis.steps:,}"))
    for finding in diagnosis.findings:
        print(visible(f"\n{finding.kind.capitalize()}: {finding.what}"))
        for sentence in filter(None, (finding.evidence, finding.advice)):
            print(textwrap.indent(textwrap.fill(visible(sentence), console().width - 2), "  "))
    if not diagnosis.findings:
        print("Nothing to say yet: the rules need more steps.")
    return 0


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "run": flag(str, "Run to look at, a folder or a run id; the flag's name may be left out."),
        "json": flag(bool, "Print one JSON object, for scripts.", False),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


COMMAND = Command(
    "Say what is wrong with a run, or fine, the numbers that show it, and what to try; also while it trains.",
    command_flags,
    doctor,
    subject="run",
)
