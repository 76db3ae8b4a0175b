"""A sweep on the page Train: every combination of some settings' values becomes a run in the queue."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components.shared import states
from components.shared.session import Session
from llm.background import trainings
from llm.config import ModelConfig, TrainingConfig, describe
from llm.runtime.processes import Processes
from llm.training.machine import SMALLER, require_memory
from llm.training.new_run import NewRun
from llm.training.sweep import run_of, variants
from llm.training.values import read_values

ABOUT = (
    "Choose settings and the values to try, with commas between them: every combination becomes a run in the queue, "
    "all else as in the form above. Several seeds show how much is chance; the page *Compare* draws them as a band."
)
ROWS = 3
MOST_RUNS = 100
LISTED = 10


def sweep_section(chosen: NewRun) -> None:
    """A section below the form; closed, it computes nothing."""
    section = st.expander("Sweep: several runs", icon=":material/grid_on:", key=Session.SWEEP, on_change="rerun")
    if section.open:
        with section:
            _form(chosen)


def _form(chosen: NewRun) -> None:
    st.markdown(ABOUT)
    try:
        vary = _choose_values()
        runs = variants(chosen, vary) if vary else []
        if len(runs) > MOST_RUNS:
            raise ValueError(f"These are {len(runs):,} runs: at most {MOST_RUNS} can be added at once")
        for run in runs:
            require_memory(run.model, run.training, run.implementation, Processes(), SMALLER)
    except ValueError as error:
        states.failed(error)
        return
    st.button(f"Add {_count(runs)} to the queue", icon=":material/playlist_add:", disabled=not runs, on_click=_add,
              args=(runs,), key=Session.SWEEP_ADD)  # fmt: skip
    more = [f"and {len(runs) - LISTED} more"] if len(runs) > LISTED else []
    st.text("\n".join([run.title for run in runs[:LISTED]] + more))


def _choose_values() -> dict[str, list[Any]]:
    """The values to try of each setting. Raises ValueError."""
    names = ["architecture", "size", "tokenizer", *describe(TrainingConfig), *describe(ModelConfig)]
    typed = {}
    for row in map(str, range(ROWS)):
        left, right = st.columns([1, 2])
        name = left.selectbox("Setting", names, None, key=Session.SWEEP_NAME.of(row), placeholder="Choose a setting")
        values = right.text_input("Values", key=Session.SWEEP_VALUES.of(row), placeholder="0, 1, 2")
        if name is not None and values.strip():
            typed[name] = values
    return {name: read_values(name, values) for name, values in typed.items()}


def _add(runs: list[NewRun]) -> None:
    """Let those wait that have not begun before."""
    added = [run for run in runs if run_of(run) is None]
    for run in added:
        trainings.enqueue(run)
    known = "; the others were begun before" if len(added) < len(runs) else ""
    st.toast(f"{_count(added)} added to the queue{known}")


def _count(runs: list[NewRun]) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"
