"""Delete runs so that they can be restored: a deleted run's folder is moved into a hidden folder beside the runs.

Links are never followed: what is a link, in place of a run or of that folder, is refused.
"""

from __future__ import annotations

import os
from pathlib import Path

from llm.runs.ids import RUN_ID
from llm.runs.listing import RunSummary, list_runs
from llm.runs.status import LOCK
from llm.runtime.lock import is_held
from llm.runtime.regular_files import is_folder, remove

DELETED = ".deleted"  # beside the runs


def delete_run(path: Path | str) -> Path:
    """Move a run into the folder of deleted runs; returns where it is now.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: it is being trained, or its path is not a run's folder.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 (`resolve` would follow links)
    _require_run(path)
    if is_held(path / LOCK):
        raise ValueError(f"run {path.name} is being trained: stop it before deleting it")
    bin_ = path.parent / DELETED
    if os.path.lexists(bin_) and not is_folder(bin_):
        raise ValueError(f"{bin_} is not a folder, so run {path.name} was not deleted: deleted runs are kept there")
    bin_.mkdir(exist_ok=True)
    return _move(path, bin_ / path.name)


def restore_run(checkpoints_dir: Path | str, run_id: str) -> Path:
    """Move a deleted run back to the runs; returns its folder.

    Raises as `delete_run`, and ValueError if a run with this id, as an imported copy of it, is there.
    """
    path, target = _deleted(checkpoints_dir, run_id), Path(checkpoints_dir) / run_id
    if os.path.lexists(target):
        raise ValueError(
            f"run {run_id} is among the runs already, for example because it was imported again. "
            "The deleted copy stays where it is: remove it for good, or delete the run first and then restore this copy"
        )
    return _move(path, target)


def remove_run(checkpoints_dir: Path | str, run_id: str) -> None:
    """Remove a deleted run for good. Raises as `delete_run`."""
    remove(_deleted(checkpoints_dir, run_id))


def deleted_runs(checkpoints_dir: Path | str = "checkpoints") -> list[RunSummary]:
    """The deleted runs, as `list_runs` lists the others."""
    bin_ = Path(checkpoints_dir) / DELETED
    return list_runs(bin_) if is_folder(bin_) else []


def _deleted(checkpoints_dir: Path | str, run_id: str) -> Path:
    path = Path(checkpoints_dir) / DELETED / run_id
    if not RUN_ID.fullmatch(run_id) or not is_folder(path.parent) or not os.path.lexists(path):
        raise FileNotFoundError(f"there is no deleted run {run_id[:80]!r} in {checkpoints_dir}")
    _require_run(path)
    return path


def _require_run(path: Path) -> None:
    """Raise unless this is a run's folder: no path from outside can name anything else."""
    if not os.path.lexists(path):
        raise FileNotFoundError(f"{path} is not a run folder: there is nothing. `uv run llm runs` lists the runs")
    if not RUN_ID.fullmatch(path.name) or not is_folder(path) or not os.path.lexists(path / "config.json"):
        raise ValueError(f"{path} is not a run folder: only those are deleted, and links are not followed")


def _move(path: Path, target: Path) -> Path:
    if os.path.lexists(target):
        raise ValueError(f"{target} exists already, so run {path.name} stays where it is: {path}")
    path.rename(target)
    return target
