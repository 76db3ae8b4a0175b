"""Errors of a run folder: files that are damaged, and a folder that can no longer be written."""

from __future__ import annotations

import errno
import shlex
from pathlib import Path
from typing import Any

from llm.runtime.files import error_text
from llm.runtime.regular_files import read_regular
from llm.runtime.text import parse_json

MAX_JSON_BYTES = 10_000_000  # of config.json and status.json, which have some thousands


class DamagedCheckpointError(ValueError):
    """A file of a run folder is damaged."""

    def __init__(self, path: Path, what: str) -> None:
        sentence = " ".join(what.split())  # a value shown in it, such as a tensor, can have several lines
        super().__init__(f"{path} is damaged: {sentence if len(sentence) <= 300 else sentence[:300] + ' …'}")


class RunNotSavedError(OSError):
    """A run folder can no longer be written: a full, failing or read-only disk, or the folder is gone."""

    def __init__(self, folder: Path, newest_snapshot: int | None, error: OSError) -> None:
        if not folder.is_dir():
            super().__init__(f"Run {folder.name} cannot continue: its folder {folder} is gone. Start a new run")
            return
        kept = "There is no snapshot yet"
        if newest_snapshot is not None:
            kept = f"The snapshot of step {newest_snapshot} is safe"
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Make room, then" if full else "Once the folder can be written again,"
        super().__init__(
            f"Run {folder.name} could not be saved in {folder}: {error_text(error)}. {kept}. "
            f"{remedy} continue with: uv run llm train --resume {shlex.quote(str(folder))}"
        )


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises DamagedCheckpointError, and as `read_regular`."""
    found = read_regular(path, MAX_JSON_BYTES)
    try:
        content = parse_json(found)
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpointError(path, f"it is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise DamagedCheckpointError(path, "it does not hold a JSON object")
    return content
