"""The controls of a run on the page Train: Pause, Step, Resume, Stop, and where one goes from there."""

from __future__ import annotations

import streamlit as st

from components.run_links import links
from components.shared import states
from components.shared.session import Address, Session
from llm.background import queue, trainings
from llm.checkpoints import RunFolder
from llm.runs.origin import Branched

RESUMABLE = ("stopped", "interrupted", "failed")


def controls(folder: RunFolder, here: trainings.BackgroundRun | None, state: str, origin: Branched | None) -> None:
    """Pause, Step, Resume and Stop, each where it applies, and links to other pages."""
    mine = here is not None and here.active
    paused = mine and state == "paused"
    with st.container(horizontal=True, vertical_alignment="center"):
        if mine and not paused:
            st.button("Pause", icon=":material/pause:", on_click=order, args=(here, "pause"), key=Session.TRAIN_PAUSE)
        if paused or state in RESUMABLE:
            st.button("Resume", icon=":material/play_arrow:", type="primary", on_click=resume, args=(folder,),
                      key=Session.TRAIN_RESUME)  # fmt: skip
        if paused:
            st.button("Step", icon=":material/skip_next:", on_click=order, args=(here, "step_once"),
                      key=Session.TRAIN_STEP, help="Take one optimizer step, then pause again")  # fmt: skip
        if mine:
            st.button("Stop", icon=":material/stop:", on_click=order, args=(here, "stop"), key=Session.TRAIN_STOP,
                      help="Save a snapshot and end the run; it can be resumed later")  # fmt: skip
        links(folder.id, origin)
        st.button("New run", icon=":material/add:", on_click=open_form, key=Session.TRAIN_NEW)
    if not mine and state in RESUMABLE and queue.waiting() and not trainings.active():
        st.caption("*Resume* goes on with this run, and those in the queue follow once it has ended. *Start the queue* "
                   "begins with the first that waits and leaves this run as it is.")  # fmt: skip
    if state in ("running", "paused") and not mine:
        st.caption("This run trains in another process, such as a terminal. Pause or stop it there.")
    if Session.TRAIN_PROBLEM in st.session_state:
        states.failed(st.session_state.pop(Session.TRAIN_PROBLEM))


def order(run: trainings.BackgroundRun, what: str) -> None:
    """Send the command and wait briefly until it takes effect, so that the buttons show the new state."""
    getattr(run, what)()
    run.wait("stopped" if what == "stop" else "paused", timeout=2)


def resume(folder: RunFolder) -> None:
    """Continue after a pause, or from the newest snapshot."""
    try:
        trainings.resume(folder.path).wait("running", timeout=5)
    except (ValueError, OSError) as error:
        st.session_state[Session.TRAIN_PROBLEM] = error


def open_form() -> None:
    """Open the form, even while a run trains."""
    st.query_params.from_dict({Address.NEW: "1"})


@st.fragment(run_every=3)
def rerun_after(run_id: str) -> None:
    """Run the page again once this run has ended, so that it does not go on saying that the run trains."""
    run = trainings.get(run_id)
    if run is None or not run.active:
        st.rerun()
