"""Saved runs, for scripts: list them, open one, read its files. The code is in `llm.runs`."""

from llm.runs.config import RunConfig
from llm.runs.errors import DamagedCheckpointError, RunNotSavedError
from llm.runs.folder import RUN_ID, RunFolder
from llm.runs.listing import RunSummary, list_runs
from llm.runs.loading import Run, load_run
from llm.runs.metrics import MetricsChunk
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
    "RunStatus",
    "RunSummary",
    "list_runs",
    "load_run",
    "snapshot_due",
]
