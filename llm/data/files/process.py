"""Read one file in a process of its own (`llm.data.files.worker`), with a bound on its memory and its time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from llm.data.files.text_file import TextFile, UnreadableFileError

PROJECT = Path(__file__).parents[3]
MAX_MEMORY, MAX_SECONDS = 2 * 2**30, 120


def read_in_process(path: Path, memory: int = MAX_MEMORY, seconds: int = MAX_SECONDS) -> TextFile:
    """What is taken of a web page, PDF, Word document or e-book. Raises UnreadableFileError."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path[1:]])}
    command = [sys.executable, "-m", "llm.data.files.worker", str(path), str(memory), str(seconds)]
    slow = f"{path.name} takes longer than {seconds} s to read: save its text as a .txt file"
    try:
        ended = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=environment, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise UnreadableFileError(slow) from None
    try:
        found: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:  # it was ended: by a bound, or by a fault in a library
        raise UnreadableFileError(
            slow if ended.returncode in (-24, -9) else f"{path.name} is damaged and cannot be read"  # SIGXCPU, SIGKILL
        ) from None
    if "error" in found:
        raise UnreadableFileError(found["error"])
    return TextFile(found["name"], found["kind"], tuple(found["documents"]), tuple(found["left_out"]))
