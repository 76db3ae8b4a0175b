"""Run ids: a run is named after the second in which its folder was made."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from llm.runs.abandoned import remove_abandoned
from llm.runtime.files import TEMPORARY

RUN_ID = re.compile(r"[0-9]{14}")
RUN_ID_FORMAT = "%Y%m%d%H%M%S"
FIRST_ID = "first_id"  # in config.json of an imported run whose id was taken: the id that it had


def moment_of(run_id: str) -> datetime | None:
    """When a run with this id was created; None if the digits are no valid time."""
    try:
        return datetime.strptime(run_id, RUN_ID_FORMAT)
    except ValueError:
        return None


def claim_folder(checkpoints_dir: Path, moment: datetime) -> Path:
    """Make an empty folder that is named after this moment, or the next free second; whoever makes it owns it."""
    checkpoints_dir.mkdir(parents=True, exist_ok=True)
    names = checkpoints_dir.iterdir()
    remove_abandoned(path for path in names if RUN_ID.fullmatch(path.name) or path.name.startswith(TEMPORARY))
    while True:
        path = checkpoints_dir / f"{moment:{RUN_ID_FORMAT}}"
        try:
            path.mkdir()  # fails if it exists
            return path
        except FileExistsError:
            moment += timedelta(seconds=1)
