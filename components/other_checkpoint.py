"""The same prompt, settings and seed at another checkpoint, beside the text: any snapshot of any run."""

from __future__ import annotations

import streamlit as st

from components.shared import folders
from components.shared.parameters import parse_natural
from components.shared.select_box import select_box
from components.shared.session import Address, Session
from components.views.writing import writing
from llm.background import generations
from llm.background.generations import Generation
from llm.checkpoints import RunFolder, list_runs

SEPARATOR = "."  # between the run and the step in the address


def beside(text: Generation) -> None:
    """A slider over the snapshots of this run or another; the text as that model writes it, beside this one."""
    run_id, step = in_address(text.path.name)
    runs = {run.id: run.label for run in list_runs(folders.checkpoints()) if run.problem is None}
    left, right = st.columns(2)
    with left:
        run_id = select_box("Run", runs, Session.GENERATE_OTHER_RUN, run_id if run_id in runs else text.path.name)
    folder = RunFolder(folders.checkpoints() / run_id)
    steps = folder.snapshots()
    with right:
        chosen = choose_snapshot(folder, steps, step)
    st.query_params[Address.BESIDE] = run_id if chosen is None else f"{run_id}{SEPARATOR}{chosen}"
    made = generations.find_or_start(folder.path, chosen, text.prompt, text.config, {})
    for column, shown, key in ((left, text, "left"), (right, made, "right")):
        with column:
            st.caption("The end of the run" if shown.asked_step is None else f"Step {shown.asked_step:,}")
            writing(shown, False, Session.GENERATE_BESIDE.of(key))


def choose_snapshot(folder: RunFolder, steps: list[int], wanted: int | None) -> int | None:
    """A slider over the snapshots; None, the end of the run, if there are none to choose from."""
    if len(steps) < 2:
        return steps[0] if steps else None
    default = wanted if wanted in steps else steps[0]
    step: int = st.select_slider(
        "Snapshot", steps, default, format_func=lambda step: "untrained" if step == 0 else f"step {step:,}",
        key=Session.GENERATE_OTHER_STEP.of(folder.id),
        help="Drag it from the untrained model to the trained one: the same prompt, settings and random numbers",
    )  # fmt: skip
    return step


def in_address(default: str) -> tuple[str, int | None]:
    """The run and the step that the address names."""
    run_id, _, step = st.query_params.get(Address.BESIDE, default).partition(SEPARATOR)
    return run_id, parse_natural(step)
