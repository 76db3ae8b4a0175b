"""Choose a checkpoint: a run and one of its steps, kept in the address."""

from __future__ import annotations

import streamlit as st

from components.shared import folders, states
from components.shared.session import Address, Session, forget
from llm.checkpoints import RunFolder, RunSummary, list_runs


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
    """Choose a run by its label. If there is none, say that `purpose` needs one and return None."""
    runs = {run.id: run for run in list_runs(folders.checkpoints()) if run.state != "damaged"}
    wanted = st.query_params.get(Address.RUN)
    if not runs:
        states.empty("No run yet", f"{purpose} needs a trained model. Training one takes a minute.",
                     "train.py", "Train your first model")  # fmt: skip
        return None
    if wanted is not None and wanted not in runs:
        states.failed(f"There is no run {wanted[:80]} in {folders.checkpoints()}; choose one of these.")
    ids = list(runs)
    run_id = st.selectbox(
        "Run", ids, index=ids.index(wanted) if wanted in runs else 0, format_func=lambda run_id: runs[run_id].label,
        on_change=forget, args=(Address.STEP, Address.PROMPT, Address.GROWN),
    )  # fmt: skip
    st.query_params[Address.RUN] = run_id
    return runs[run_id]


def _forget_selection() -> None:
    for name in ("step", "prompt", "grown"):
        st.query_params.pop(name, None)


def choose_step(folder: RunFolder) -> int | None:
    """Choose a snapshot of the run; None means the final weights, or else the best, or else the newest."""
    newest = "The end of the run" if folder.has("final") else "Best so far"
    step = pick_step(folder, [None, *reversed(folder.snapshots())], newest, Session.CHECKPOINT_STEP)
    if step is None:
        forget(Address.STEP)
    else:
        st.query_params[Address.STEP] = str(step)
    return step


def pick_step(folder: RunFolder, steps: list[int | None], newest: str, key: Session) -> int | None:
    """Choose one of `steps`, shown with its validation loss if measured; starts with the step in the address."""
    losses = {row["step"]: row["evaluation"]["loss"] for row in folder.read_metrics().rows if row["evaluation"]}

    def label(step: int | None) -> str:
        if step is None:
            return newest
        loss = f" · validation loss {losses[step]:.2f}" if step in losses else ""
        return f"Step {step:,}{' · untrained' if step == 0 else loss}"

    wanted = st.query_params.get(Address.STEP, "")
    index = steps.index(int(wanted)) if wanted.isdecimal() and int(wanted) in steps else 0
    return st.selectbox("Step", steps, index=index, format_func=label, key=key.of(folder.id),
                        help="Each snapshot is the model as it was at that step")  # fmt: skip
