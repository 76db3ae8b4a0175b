"""`uv run llm fill`: fill in the blanks of a text with a model that sees both sides of them."""

from __future__ import annotations

import json
import sys
from typing import Any, get_args

from llm.cli.flags import Command, ParsedFlags, UsageError, flag, require_flag
from llm.cli.shared_flags import checkpoints_dir_flag, required_run
from llm.cli.terminal import visible, write
from llm.config import Device, TrainingConfig, describe
from llm.runtime.text import normalize_text

BAR = 30  # characters of a bar for a probability of 1


def fill(flags: ParsedFlags) -> int:
    """Write the likeliest tokens of each blank to standard output, each with a bar, or as JSON."""
    path = required_run(flags, "the run whose model fills in the blanks")
    text = normalize_text(require_flag(flags, "text", "a text with blanks, such as 'The ___ sat'"))
    count = flags.get("count", 8)
    if count < 1:
        raise UsageError(f"--count must be at least 1, got {count}")

    from llm import filling
    from llm.checkpoints import load_run
    from llm.runtime import compute
    from llm.runtime.device import choose_device

    run = compute.run(load_run, path, flags.get("step"), "fused", choose_device(flags.get("device", "auto")))
    blanks = compute.run(filling.fill, run.model, run.tokenizer, text, count)
    if flags.get("json"):
        record = {"run": run.folder.id, "step": run.step, "text": text, "blanks": [blank.as_json() for blank in blanks]}
        write(json.dumps(record, ensure_ascii=False) + "\n")
        return 0
    lines = []
    for number, blank in enumerate(blanks, 1):
        lines += [f"Blank {number}:"] if len(blanks) > 1 else []
        for candidate in blank.candidates:
            bar = "█" * round(BAR * candidate.probability) or "▏"
            lines.append(f"{100 * candidate.probability:5.1f}%  {bar:<{BAR}}  {candidate.text!r}")
    written = "\n".join(lines) + "\n"
    write(visible(written) if sys.stdout.isatty() else written)
    return 0


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "run": flag(str, "Run whose model to use, a folder or a run id; the flag's name may be left out."),
        "text": flag(str, "Text with blanks: ___ stands for one token each. The flag's name may be left out."),
        "step": flag(int, "Step of the snapshot to use.", "the final weights, else the best, else the newest"),
        "count": flag(int, "Tokens to show for each blank, the likeliest first.", 8),
        "json": flag(bool, "Print one JSON object, for scripts.", False),
        "device": flag(str, describe(TrainingConfig)["device"].help, "auto", get_args(Device)),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


COMMAND = Command(
    "Fill in the blanks of a text with a model that was trained with mask bidirectional, and so sees both sides of "
    "them.",
    command_flags,
    fill,
    subject="run text",
)
