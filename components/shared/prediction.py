"""Predict, then reveal: each view asks the user once for a prediction, which helps learning.

If only this machine can reach the server, answers are stored in a file and survive a refresh and a restart. Otherwise
each tab has its own answers, because the server cannot tell its users apart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from components.shared import folders
from components.shared.session import Session
from components.shared.visitors import only_this_machine
from llm.runtime.files import write_json

OFF = "never ask"


def ask(view: str, question: str, answers: Sequence[str]) -> bool:
    """Ask the user for a prediction; True once it has been answered or skipped, and the view may be shown."""
    stored = _stored()
    if view in stored or stored.get(OFF):
        return True
    key = Session.PREDICTION
    with st.container(border=True):
        st.markdown(f"**What do you expect?** {question}")
        with st.container(horizontal=True):
            for answer in answers:
                st.button(answer, key=key.of(view, answer), on_click=_store, args=(view, answer))
            st.button("Just show me", key=key.of(view), type="tertiary", on_click=_store, args=(view, ""))
            st.button("Never ask", key=key.of(view, "off"), type="tertiary", on_click=_store, args=(OFF, True))
    return False


def answer_to(view: str) -> str:
    """The user's prediction for `view`; empty if skipped."""
    return str(_stored().get(view) or "")


def switch() -> None:
    """Show the toggle for whether views ask at all."""
    # the button "Never ask" of a view may have changed it
    st.session_state[Session.PREDICTION_SWITCH] = not _stored().get(OFF)
    st.toggle(
        "Ask me what I expect before a view is shown for the first time", key=Session.PREDICTION_SWITCH,
        on_change=lambda: _store(OFF, not st.session_state[Session.PREDICTION_SWITCH]),
    )  # fmt: skip


def _stored() -> dict[str, Any]:
    """All answers; a damaged file counts as empty."""
    if not only_this_machine():
        return st.session_state.setdefault(Session.PREDICTION_ANSWERS, {})
    try:
        stored = json.loads((folders.home() / "expectations.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _store(name: str, answer: str | bool) -> None:
    if not only_this_machine():
        _stored()[name] = answer
        return
    folders.home().mkdir(parents=True, exist_ok=True)
    write_json(folders.home() / "expectations.json", _stored() | {name: answer})
