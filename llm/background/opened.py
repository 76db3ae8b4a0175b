"""The last few runs that were opened, kept in memory, so that opening one again is immediate."""

from __future__ import annotations

from pathlib import Path

from llm.runs.folder import RunFolder
from llm.runs.loading import Run, load_run
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

_runs: ResultCache[Run] = ResultCache(3)


def open_run(path: Path, step: int | None) -> Run:
    """The run at a step, from `llm.runs.loading.load_run`, its model on the CPU, shared by all callers.

    A caller that changes the model copies it first. Weights saved again since then are read again. Raises
    as `load_run`.
    """
    return _runs.get(RunFolder(path).weights_version(step), lambda: compute.run(load_run, path, step))
