"""Continue a run, or branch off it, on the page Train: choose a snapshot and what changes, and start a new run."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components.shared import folders, forms, states
from components.shared.run_names import run_name
from components.shared.session import Address, Session
from components.views import branches
from llm.background import trainings
from llm.checkpoints import RUN_ID, RunConfig, RunFolder, list_runs
from llm.config import ModelConfig, TrainingConfig, describe
from llm.runs.origin import Branched, tree_of
from llm.training.branching import NewBranch
from llm.training.changes import CHANGEABLE, changed_settings, schedule_in_words

ENDED = ("paused", "finished", "stopped", "failed", "interrupted")
ABOUT = (
    "A new run goes on from a snapshot of this one: with the same weights, optimizer state and random numbers, it "
    "reads the batches that this run read next. This run stays as it is. With nothing changed, on a CPU, the new run "
    "is bit for bit this run's own continuation; so what differs comes from what you change."
)


def show_origin(origin: Branched) -> None:
    """From which run this one was continued, with a link to it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(origin.in_words(run_name(origin.run)))
        if RUN_ID.fullmatch(origin.run):
            st.button("Show that run", on_click=lambda: st.query_params.from_dict({Address.RUN: origin.run}),
                      key=Session.TRAIN_PARENT, icon=":material/arrow_upward:", type="tertiary")  # fmt: skip


def tree_section(run_id: str) -> None:
    """A section with the runs that go on from each other, of which this is one; closed, it reads nothing."""
    section = st.expander("Tree of branches", key=Session.TRAIN_TREE.of(run_id), on_change="rerun",
                          icon=":material/family_history:")  # fmt: skip
    if section.open:
        with section:
            tree = tree_of(run_id, list_runs(folders.checkpoints()))
            branches.show(tree, run_id, Session.TRAIN_TREE.of(run_id, "view"))
            if len(tree) == 1:
                st.caption("No run goes on from this one yet.")


def branch_section(folder: RunFolder, config: RunConfig, state: str) -> None:
    """A section for a run that does not train now; closed, it computes nothing. For a run that trains: what to do."""
    if state == "running":
        st.caption("To continue this run with other settings, or to branch off it, pause or stop it first.")
    steps = folder.resumable_snapshots() if state in ENDED else []
    if not steps:
        return
    section = st.expander("Continue or branch", key=Session.TRAIN_BRANCH.of(folder.id), on_change="rerun",
                          icon=":material/call_split:")  # fmt: skip
    if section.open:
        with section:
            _form(folder, config, steps)


def _form(folder: RunFolder, config: RunConfig, steps: list[int]) -> None:
    st.markdown(ABOUT)
    step = st.selectbox("Go on from step", steps, len(steps) - 1, format_func=lambda step: f"{step:,}", width=300,
                        key=Session.TRAIN_BRANCH_STEP.of(folder.id))  # fmt: skip
    ready = st.container()  # above the settings, to be visible at once, but filled in after them
    changes = _changes(folder, config, step)
    with ready:
        try:
            _, training = changed_settings(config.model, config.training, step, changes)
        except ValueError as error:
            states.failed(error)
        else:
            changed = ", ".join(f"{name} {value}" for name, value in changes.items()) or "nothing"
            st.text(f"Changed: {changed}. {schedule_in_words(config.training, training, step)}".rstrip())
            _start_buttons(NewBranch(folder.path, step, changes))


def _start_buttons(new: NewBranch) -> None:
    active = trainings.active()
    others = [run for run in active if run.id != new.parent.name]
    with st.container(horizontal=True, vertical_alignment="center"):
        # what is pressed is done here: a callback would have the settings from before the last field was left
        if st.button(
            f"Start a new run from step {new.step:,}", type="primary", icon=":material/call_split:",
            key=Session.TRAIN_BRANCH_START, disabled=bool(others),
            help="This run, which is paused, is stopped first; it can be resumed later" if active and not others
            else None,
        ):  # fmt: skip
            _start(new)
            st.rerun()
        if others and st.button("Add to the queue", icon=":material/playlist_add:", key=Session.TRAIN_BRANCH_QUEUE):
            trainings.enqueue(new)
            st.rerun()
    if others:
        st.text(f"{run_name(others[0].id)} is {others[0].state}: one run trains at a time.")


def _changes(folder: RunFolder, config: RunConfig, step: int) -> dict[str, Any]:
    """Controls for what can be changed; the values that are not the run's."""
    of_training = [name for name in CHANGEABLE if name in describe(TrainingConfig)]
    of_model = [name for name in CHANGEABLE if name in describe(ModelConfig)]
    before = {name: getattr(config.training, name) for name in of_training}
    before |= {name: getattr(config.model, name) for name in of_model}
    start = before
    if step >= config.training.steps:
        start = before | {"steps": 2 * step}  # the run is finished: as many steps again
    key = Session.TRAIN_BRANCH_SETTINGS.of(folder.id)
    chosen = forms.fields(TrainingConfig, of_training, start, key)
    chosen |= forms.fields(ModelConfig, of_model, start, key)
    return {name: value for name, value in chosen.items() if value != before[name]}


def _start(new: NewBranch) -> None:
    """Start the branch and open its page."""
    here = trainings.get(new.parent.name)
    try:
        if here is not None and here.state == "paused":
            here.stop()
            here.wait("stopped", timeout=5)
        run = trainings.start(new)
    except (ValueError, OSError) as error:
        st.session_state[Session.TRAIN_PROBLEM] = error
        return
    st.query_params.from_dict({Address.RUN: run.id})
