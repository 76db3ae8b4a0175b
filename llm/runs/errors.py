"""Errors of damaged files in a run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm.runtime.regular_files import read_regular

MAX_JSON_BYTES = 10_000_000  # of config.json and status.json, which have some thousands


class DamagedCheckpointError(ValueError):
    """A file of a run folder is damaged."""

    def __init__(self, path: Path, what: str) -> None:
        sentence = " ".join(what.split())  # a value shown in it, such as a tensor, can have several lines
        super().__init__(f"{path} is damaged: {sentence if len(sentence) <= 300 else sentence[:300] + ' …'}")


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises DamagedCheckpointError, and as `read_regular`."""
    found = read_regular(path, MAX_JSON_BYTES)
    try:
        content = json.loads(found)
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpointError(path, f"it is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise DamagedCheckpointError(path, "it does not hold a JSON object")
    return content
