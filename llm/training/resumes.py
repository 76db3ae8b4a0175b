"""Under which conditions a run has trained: config.json has those of its start, and of each resume that changed them.

`resumed` in config.json is a list of {"step", "conditions", "code"}. From that step on, the run may round differently
than it would have without the pause (`llm.runtime.conditions`), or other code may have trained it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from llm.runs.config import RunConfig
from llm.runs.folder import RunFolder
from llm.runtime import compute
from llm.runtime.code_version import code_version
from llm.runtime.conditions import changed_conditions, current_conditions
from llm.runtime.device import choose_device, choose_precision


@dataclass(frozen=True)
class Resume:
    """A resume under other conditions than before it."""

    step: int
    changes: list[str]  # in words, such as "threads 1, then 2"


def conditions_here(config: RunConfig, processes: int = 1) -> dict[str, Any]:
    """The conditions and the code with which this process, or so many like it, would train the run."""
    device = choose_device(config.training.device)
    precision = choose_precision(config.training.precision, device)
    return {"conditions": asdict(compute.run(current_conditions, device, precision, processes)), "code": code_version()}


def changed_since_start(config: RunConfig) -> list[str]:
    """What is different here than when the run began, in words."""
    return changed_conditions(config.raw, conditions_here(config), "here")


def record_resume(folder: RunFolder, config: RunConfig, step: int, processes: int) -> None:
    """Write the conditions here to config.json, if the run has trained under others until this step.

    What was recorded of later steps is removed: these are taken again.
    """
    kept = [entry for entry in _entries(config) if entry["step"] < step]
    here = conditions_here(config, processes)
    if changed_conditions(kept[-1] if kept else config.raw, here, "then"):
        kept.append({"step": step, **here})
    if kept != (config.about(list, "resumed") or []):
        folder.write_config(config.raw | {"resumed": kept})


def resumes(config: RunConfig) -> list[Resume]:
    """The resumes that changed the conditions of a run, in order."""
    entries = _entries(config)
    pairs = zip([config.raw, *entries], entries, strict=False)
    return [Resume(entry["step"], changed_conditions(before, entry, "then")) for before, entry in pairs]


def _entries(config: RunConfig) -> list[dict[str, Any]]:
    """`resumed` in config.json without what is not such an entry: the file may come from anywhere."""
    recorded = config.about(list, "resumed") or []
    return [entry for entry in recorded if isinstance(entry, dict) and type(entry.get("step")) is int]
