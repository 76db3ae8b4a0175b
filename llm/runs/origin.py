"""Where a run comes from: the run and the step from which it was continued, and the tree of runs that this makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm.runs.config import RunConfig

if TYPE_CHECKING:
    from llm.runs.listing import RunSummary


@dataclass(frozen=True)
class Branched:
    """Where a run branched off, and with what changes: setting, value before, value since."""

    run: str
    step: int
    changed: list[tuple[str, Any, Any]]

    def in_words(self, name: str = "") -> str:
        """One sentence; `name` is what the earlier run is called."""
        return f"Continued from {name or f'run {self.run}'} at step {self.step:,}, with {self.changes_in_words()}."

    def changes_in_words(self) -> str:
        """Such as "steps 900 instead of 450"."""
        return ", ".join(f"{name} {now} instead of {old}" for name, old, now in self.changed) or "nothing changed"


@dataclass(frozen=True)
class Relative:
    """A run in the tree of the runs that go on from each other."""

    run: RunSummary
    depth: int  # 0: it goes on from no run of the list


def branched(config: RunConfig) -> Branched | None:
    """Where the run branched off; None: it began at step 0, or config.json does not say it as it should."""
    run, step = config.about(str, "branched", "run"), config.about(int, "branched", "step")
    changed = config.about(dict, "branched", "changed") or {}
    if run is None or step is None or not all(isinstance(pair, list) and len(pair) == 2 for pair in changed.values()):
        return None
    return Branched(run, step, [(name, before, after) for name, (before, after) in changed.items()])


def trees(runs: Sequence[RunSummary]) -> list[list[Relative]]:
    """All runs, those that go on from each other as one tree: each run followed by its branches, the earliest first."""
    branches: dict[str, list[RunSummary]] = {run.id: [] for run in runs}
    first = [run for run in runs if run.origin is None or run.origin.run not in branches]
    for run in runs:
        if run.origin is not None and run.origin.run in branches:
            branches[run.origin.run].append(run)
    for found in branches.values():
        found.sort(key=lambda run: (run.origin.step if run.origin else 0, run.id), reverse=True)
    seen: set[str] = set()

    def walk(run: RunSummary) -> Iterator[Relative]:
        waiting = [(run, 0)]  # a list, as chains of branches can be longer than Python's stack
        while waiting:
            run, depth = waiting.pop()
            if run.id not in seen:
                seen.add(run.id)
                yield Relative(run, depth)
                waiting += [(branch, depth + 1) for branch in branches[run.id]]

    # what the first ones do not lead to can only be a circle, which an edited config.json can claim
    return [list(walk(run)) for run in (*first, *runs) if run.id not in seen]


def tree_of(run_id: str, runs: Sequence[RunSummary]) -> list[Relative]:
    """The tree of this run; empty if there is no such run."""
    return next((tree for tree in trees(runs) if any(found.run.id == run_id for found in tree)), [])
