"""Choose several runs, kept in the address."""

from __future__ import annotations

import streamlit as st

from components.shared import folders, states
from components.shared.select_box import multi_select, picked
from components.shared.session import Address, Session
from llm.checkpoints import RUN_ID, list_runs

SEPARATOR = "."


def joined(run_ids: list[str]) -> str:
    """Ids of runs as one value of an address."""
    return SEPARATOR.join(run_ids)


def parse_runs(text: str, most: int) -> list[str]:
    """The ids in such a value. Raises ValueError if these are not at most so many different ids of runs."""
    run_ids = text.split(SEPARATOR) if text else []
    for run_id in run_ids:
        if not RUN_ID.fullmatch(run_id):
            raise ValueError(f"{run_id[:80]!r} is not the id of a run: an id has 14 digits")
    if len(run_ids) > most or len(set(run_ids)) < len(run_ids):
        raise ValueError(f"an address must name at most {most} runs, each once, got {len(run_ids)}")
    return run_ids


def choose_runs(most: int, purpose: str) -> list[str] | None:
    """Choose at most so many runs; at first the two newest. None, with the reason on the page, if there are none.

    A run in the address that is gone or damaged is reported and left out.
    """
    listed = {run.id: run for run in list_runs(folders.checkpoints())}
    intact = {run.id: run.label for run in listed.values() if run.problem is None}
    if not intact:
        for run in listed.values():
            states.failed(str(run.problem))
        states.empty("No run yet", f"{purpose} needs two trained models. Training one takes a minute.",
                     "train.py", "Train your first model")  # fmt: skip
        return None
    try:
        wanted = parse_runs(st.query_params.get(Address.RUNS, joined(list(intact)[:2])), most)
    except ValueError as error:
        states.failed(f"This link does not name runs as it should: {error}.")
        wanted = []
    for run_id in wanted:
        if run_id not in listed:
            states.failed(f"There is no run {run_id} in {folders.checkpoints()}; the others are shown.")
        elif run_id not in intact:
            states.failed(str(listed[run_id].problem))
    chosen = [run_id for run_id in wanted if run_id in intact]
    st.query_params[Address.RUNS] = joined(chosen)
    return multi_select("Runs", intact, Session.COMPARE_RUNS, chosen, max_selections=most, on_change=_keep_picked,
                        placeholder=f"Choose 2 to {most} runs")  # fmt: skip


def _keep_picked() -> None:
    st.query_params[Address.RUNS] = joined(picked(Session.COMPARE_RUNS))
