"""Errors of damaged files in a run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class DamagedCheckpointError(ValueError):
    """A file of a run folder is damaged."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} is damaged: {what if len(what) <= 300 else what[:300] + ' …'}")


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises DamagedCheckpointError."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpointError(path, f"it is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise DamagedCheckpointError(path, "it does not hold a JSON object")
    return content
