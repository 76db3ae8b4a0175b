"""`uv run llm world`: generate stories like those of training.txt and strangers.txt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm.cli.flags import Command, ParsedFlags, flag
from llm.cli.terminal import write
from llm.runtime.files import write_bytes
from llm.runtime.regular_files import require_replaceable
from llm.world import DEFAULT_SEED, DEFAULT_SIZE


def world(flags: ParsedFlags) -> int:
    """Write stories to a file or to standard output."""
    output = Path(flags["output"]) if "output" in flags else None
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise ValueError(f"output must be a file in a folder that exists, got {str(output)!r}")
    if output is not None:
        require_replaceable(output, "output")
    from llm.world import generate

    text = generate(flags.get("seed", DEFAULT_SEED), flags.get("size", DEFAULT_SIZE), flags.get("strangers", False))
    if output is None:
        write(text)
    else:
        write_bytes(output, text.encode())
    return 0


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "seed": flag(int, "Seed of every random choice.", DEFAULT_SEED),
        "size": flag(int, "Maximum number of bytes to write.", DEFAULT_SIZE),
        "strangers": flag(bool, "Half of the stories are about people whose names are in no other story.", False),
        "output": flag(str, "File to write.", "standard output"),
    }


COMMAND = Command("Generate stories of the story world; the same seed gives the same stories.", command_flags, world)
