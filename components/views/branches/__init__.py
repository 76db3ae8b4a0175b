"""The tree of runs that go on from each other: which came from which snapshot of which, and with what change."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.shared.browser import BrowserComponent
from components.shared.session import Address
from llm.runs.listing import RunSummary
from llm.runs.origin import Relative
from llm.runtime.text import with_error

_branches = BrowserComponent("branches", "views/branches/view.js")
MOST = 200  # rows


def show(tree: Sequence[Relative], run_id: str, key: str) -> None:
    """Show the tree in which `run_id` is; a click on another run opens that one on this page."""
    _branches.mount(
        key=key,
        data={"run": run_id, "rows": [_row(found) for found in tree[:MOST]], "left": max(0, len(tree) - MOST)},
        on_open_change=lambda: st.query_params.update({Address.RUN: str(st.session_state[key]["open"])}),
    )


def _row(found: Relative) -> dict[str, str | int]:
    run, origin = found.run, found.run.origin
    return {
        "id": run.id,
        "title": run.title,
        "label": run.label,
        "depth": found.depth,
        "begin": 0 if origin is None else origin.step,
        "end": run.step,
        "from": "" if origin is None else f"step {origin.step:,}{' of a run that is gone' if not found.depth else ''}",
        "changed": "" if origin is None else origin.changes_in_words(),
        "state": run.state,
        "loss": _loss(run, 0 if origin is None else origin.step),
    }


def _loss(run: RunSummary, began: int) -> str:
    """The validation loss; none that was measured before the run branched off, at step `began`."""
    if run.loss is None:
        return ""
    if began > 0 and run.measured_step is not None and run.measured_step <= began:
        return "not measured yet"
    return with_error(run.loss, run.standard_error, 2)
