"""Folders of runs that were never completed, because the process that made them was killed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from llm.runs.status import LOCK
from llm.runtime.files import TEMPORARY, remove_if_possible
from llm.runtime.regular_files import is_folder

WRITTEN_FIRST = {"tokenizer.json", "tokenizer.model", "text.txt", "metrics.jsonl", LOCK}  # before config.json
FILLING = f"{TEMPORARY}run"  # a file that is there while more than these is written before config.json
ABANDONED_SECONDS = 3600  # a new folder takes seconds


def remove_abandoned(paths: Iterable[Path]) -> None:
    """Remove those of these folders that were left for an hour before they were a run."""
    for path in paths:
        if is_folder(path) and _is_abandoned(path):
            remove_if_possible(path)


def _is_abandoned(path: Path) -> bool:
    """Whether a folder has been left for an hour under a temporary name, or with only what precedes config.json."""
    try:
        left = time.time() - path.lstat().st_mtime > ABANDONED_SECONDS
        files = {file.name: file for file in path.iterdir()}
        if path.name.startswith(TEMPORARY):
            return left
        if FILLING in files:
            return left and "config.json" not in files
        return (
            left
            and all(name in WRITTEN_FIRST or name.startswith(TEMPORARY) for name in files)
            and ("metrics.jsonl" not in files or files["metrics.jsonl"].lstat().st_size == 0)
        )
    except OSError:  # not ours to read, or being removed by another process
        return False
