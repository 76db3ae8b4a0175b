"""What the page Attention does when a view reports that a person chose something in it."""

from __future__ import annotations

import streamlit as st

from components.shared.selection import remember_step

ALL, ONE, TRAINING = "attention-all", "attention-one", "attention-training"  # keys of the three views


def open_head() -> None:
    """A person chose a head among all: show it."""
    _show(st.session_state[ALL].opened)


def open_head_at_step() -> None:
    """A person chose a head of a snapshot: show it as it was then."""
    opened = st.session_state[TRAINING].opened
    if opened:
        remember_step(opened[0])
        _show(opened[1:])


def move_to_step() -> None:
    """A person let the slider go: that snapshot is looked at now."""
    if st.session_state[TRAINING].moved is not None:
        remember_step(st.session_state[TRAINING].moved)


def _show(place: list[int] | None) -> None:
    if place:
        st.session_state["attention-view"] = "head"
        st.session_state["attention-layer"], st.session_state["attention-head"] = map(str, place)
