"""Saved runs, for scripts: list them, open one, read its files. The code is in `llm.runs`."""

from llm.runs.config import RunConfig
from llm.runs.deletion import delete_run, deleted_runs, remove_run, restore_run
from llm.runs.errors import DamagedCheckpointError, RunNotSavedError
from llm.runs.folder import RunFolder
from llm.runs.ids import RUN_ID
from llm.runs.listing import RunSummary, list_runs
from llm.runs.loading import Run, load_run
from llm.runs.metrics import MetricsChunk
from llm.runs.notes import RunNotes
from llm.runs.snapshots import snapshot_due
from llm.runs.status import RunStatus

__all__ = [
    "RUN_ID",
    "DamagedCheckpointError",
    "MetricsChunk",
    "Run",
    "RunConfig",
    "RunFolder",
    "RunNotSavedError",
    "RunNotes",
    "RunStatus",
    "RunSummary",
    "delete_run",
    "deleted_runs",
    "list_runs",
    "load_run",
    "remove_run",
    "restore_run",
    "snapshot_due",
]
