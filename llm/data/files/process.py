"""Read one file in a process of its own (`llm.data.files.worker`), with a bound on its memory and its time."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from llm.data.files.text_file import TextFile, UnreadableFileError
from llm.runtime.child import module_command, module_environment
from llm.runtime.text import parse_json

MAX_MEMORY, MAX_SECONDS = 2 * 2**30, 120


def read_in_process(path: Path, column: str = "", memory: int = MAX_MEMORY, seconds: int = MAX_SECONDS) -> TextFile:
    """What is taken of a table, web page, PDF, Word document or e-book. Raises UnreadableFileError."""
    command = module_command("llm.data.files.worker", str(path), str(memory), str(seconds))
    slow = f"{path.name} takes longer than {seconds} s to read: save its text as a .txt file"
    try:
        ended = subprocess.run(
            command,
            input=column.encode("utf-8", "replace"),
            capture_output=True,
            env=module_environment(),
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise UnreadableFileError(slow) from None
    try:
        found: dict[str, Any] = parse_json(ended.stdout)
    except ValueError:  # it was ended: by a bound, or by a fault in a library
        raise UnreadableFileError(
            slow if ended.returncode in (-24, -9) else f"{path.name} is damaged and cannot be read"  # SIGXCPU, SIGKILL
        ) from None
    if "error" in found:
        raise UnreadableFileError(found["error"])
    lists = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
    return TextFile(**(found | lists))
