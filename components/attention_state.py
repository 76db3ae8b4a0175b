"""What the page Attention remembers: its controls' keys, what the address says of them, and what a view reports."""

from __future__ import annotations

import streamlit as st

from components.looking import forget, remember_step

ALL, ONE, TRAINING = "attention-all", "attention-one", "attention-training"  # keys of the three views


def remembered(name: str, default: str, allowed: list[str]) -> str:
    """The key of the control `name`, which begins with what the address says of it, else with `default`."""
    key = f"attention-{name}"
    if st.session_state.get(key) not in allowed:
        wanted = st.query_params.get(name, default)
        st.session_state[key] = wanted if wanted in allowed else default
    return key


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


def hold() -> None:
    """A cell is held, or let go."""
    locked = st.session_state[ONE].locked
    if locked:
        st.query_params["locked"] = ".".join(map(str, locked))
    else:
        forget("locked")


def _show(place: list[int] | None) -> None:
    if place:
        st.session_state["attention-view"] = "head"
        st.session_state["attention-layer"], st.session_state["attention-head"] = map(str, place)
