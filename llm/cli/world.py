"""`uv run llm world`: generate stories like those of training.txt and strangers.txt, or measure their entropy."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from llm.cli.flags import Command, ParsedFlags, UsageError, flag, reject_combination
from llm.cli.terminal import write
from llm.runtime.files import write_bytes
from llm.runtime.regular_files import require_replaceable
from llm.world import DEFAULT_SEED, DEFAULT_SIZE, STRANGERS_SIZE


def world(flags: ParsedFlags) -> int:
    """Write stories to a file or to standard output, or print their entropy."""
    if "entropy" in flags:
        reject_combination(flags, "entropy", "it writes no stories", ["seed", "json"])
        _print_entropy(flags)
        return 0
    if "json" in flags:
        raise UsageError("--json must be used with --entropy")
    output = Path(flags["output"]) if "output" in flags else None
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise ValueError(f"output must be a file in a folder that exists, got {str(output)!r}")
    if output is not None:
        require_replaceable(output, "output")
    from llm.world import generate

    text = generate(flags.get("seed", DEFAULT_SEED), flags.get("size"), flags.get("strangers", False))
    if output is None:
        write(text)
    else:
        write_bytes(output, text.encode())
    return 0


def _print_entropy(flags: ParsedFlags) -> None:
    from llm.world.entropy import entropy

    found = entropy(flags["entropy"], flags.get("seed", DEFAULT_SEED))
    if flags.get("json"):
        print(json.dumps(dataclasses.asdict(found)))
        return
    print(
        f"At most {found.bits_per_character:.4f} ± {found.standard_error:.4f} bits per character: "
        f"{found.bits_per_story:.1f} bits per story, over {found.stories:,} stories of "
        f"{found.characters / found.stories:.0f} characters ({found.characters:,} in all)"
    )


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "seed": flag(int, "Seed of every random choice.", DEFAULT_SEED),
        "size": flag(int, "Maximum number of bytes to write.", f"{DEFAULT_SIZE}, with --strangers {STRANGERS_SIZE}"),
        "strangers": flag(
            bool,
            "A fifth of the stories are about people whose names are in no other story, and two fifths have a row of "
            "words that is said again.",
            False,
        ),
        "output": flag(str, "File to write.", "standard output"),
        "entropy": flag(int, "Instead of writing stories, print the entropy of this many."),
        "json": flag(bool, "With entropy: print one JSON object, for scripts.", False),
    }


COMMAND = Command("Generate stories of the story world; the same seed gives the same stories.", command_flags, world)
