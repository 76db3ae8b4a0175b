"""Choose a checkpoint: a run and one of its steps, kept in the address."""

from __future__ import annotations

import streamlit as st

from components.shared import folders, states
from components.shared.parameters import parse_natural
from components.shared.select_box import picked, select_box
from components.shared.session import Address, Session, forget
from llm.checkpoints import RunFolder, RunSummary, list_runs
from llm.runtime.text import with_error

END_OF_RUN = "The end of the run"
NEWEST = "newest"  # the option for weights without a step


def choose_checkpoint(purpose: str) -> tuple[RunSummary, int | None] | None:
    """Choose a run and one of its snapshots; see `choose_run` and `choose_step`. None if there is no run."""
    left, right = st.columns([3, 2])
    with left:
        run = choose_run(purpose)
    if run is None:
        return None
    with right:
        return run, choose_step(RunFolder(run.path))


def choose_run(purpose: str) -> RunSummary | None:
    """Choose a run by its label. If there is none, say that `purpose` needs one and return None.

    Without a run in the address, as the sidebar opens a page, it starts with the one that the tab last showed.
    """
    listed = list_runs(folders.checkpoints())
    runs = {run.id: run for run in listed if run.problem is None}
    wanted, last = st.query_params.get(Address.RUN), st.session_state.get(Session.LAST_RUN)
    damaged = next((run.problem for run in listed if run.id == wanted and run.problem is not None), None)
    if damaged is not None:
        states.failed(damaged)
    if not runs:
        states.empty("No run yet", f"{purpose} needs a trained model. Training one takes a minute.",
                     "train.py", "Train your first model")  # fmt: skip
        return None
    if wanted is not None and wanted not in runs and damaged is None:
        states.failed(f"There is no run {wanted[:80]} in {folders.checkpoints()}; choose one of these.")
    run_id = next(name for name in (wanted, last, next(iter(runs))) if name in runs)
    st.query_params[Address.RUN] = st.session_state[Session.CHECKPOINT_RUN] = run_id
    st.session_state[Session.LAST_RUN] = run_id
    select_box("Run", {run.id: run.label for run in runs.values()}, Session.CHECKPOINT_RUN, on_change=_open_picked)
    return runs[run_id]


def _open_picked() -> None:
    """Open the run that was chosen, with a step and a text of its own."""
    run_id = picked(Session.CHECKPOINT_RUN)
    if run_id != st.query_params.get(Address.RUN):
        st.query_params[Address.RUN] = run_id
        forget(Address.STEP, Address.PROMPT, Address.GROWN, Address.WRITTEN, Address.BESIDE)


def choose_step(folder: RunFolder) -> int | None:
    """Choose a snapshot of the run; None means the final weights, or else the best, or else the newest."""
    newest = END_OF_RUN if folder.has("final") else "Best so far"
    step = pick_step(folder, [None, *reversed(folder.snapshots())], newest, Session.CHECKPOINT_STEP)
    if step is None:
        forget(Address.STEP)
    else:
        st.query_params[Address.STEP] = str(step)
    return step


def pick_step(folder: RunFolder, steps: list[int | None], newest: str, key: Session) -> int | None:
    """Choose one of `steps`, shown with its validation loss if measured; starts with the step in the address."""
    rows = folder.read_metrics().rows
    measured = {row["step"]: row["evaluation"] for row in rows if row.get("evaluation")}
    lowest = min(measured, key=lambda step: measured[step]["loss"], default=None)
    final = rows[-1].get("final_evaluation") if rows else None

    def label(step: int | None) -> str:
        if step is None:
            if newest != END_OF_RUN or not final:
                return newest
            return (
                f"{newest} · validation loss {with_error(final['loss'], final.get('standard_error'), 2)} on all of it"
            )
        if step == 0:
            return "Step 0 · untrained"
        if step not in measured:
            return f"Step {step:,}"
        loss = with_error(measured[step]["loss"], measured[step].get("standard_error"), 2)
        on_some = " on some passages" if final is not None else ""
        return f"Step {step:,} · validation loss {loss}{on_some}{' · the lowest' if step == lowest else ''}"

    wanted = parse_natural(st.query_params.get(Address.STEP, ""))
    default = wanted if wanted is not None and wanted in steps else steps[0]
    labels = {NEWEST if step is None else step: label(step) for step in steps}
    chosen = select_box("Step", labels, key.of(folder.id), NEWEST if default is None else default,
                        help="Each snapshot is the model as it was at that step")  # fmt: skip
    return None if chosen == NEWEST else int(chosen)
