"""Predict, then reveal: each view asks the user once for a prediction, which helps learning.

Answers are stored in a file by the browser that gave them (`components.shared.visitors.person`): they survive a refresh
and a restart, and nobody sees another's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from components.shared import folders
from components.shared.session import Session
from components.shared.visitors import person
from llm.runtime.files import write_json

OFF = "never ask"
MOST_PEOPLE = 1000  # whose answers are kept, the latest


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
    """The answers of this person."""
    return _by_person().get(person(), {})


def _by_person() -> dict[str, dict[str, Any]]:
    """Everyone's answers; a damaged file counts as empty."""
    try:
        stored = json.loads(_file().read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: own for name, own in stored.items() if isinstance(own, dict)} if isinstance(stored, dict) else {}


def _store(name: str, answer: str | bool) -> None:
    answers = _by_person()
    answers[person()] = answers.pop(person(), {}) | {name: answer}  # the last in the file
    folders.home().mkdir(parents=True, exist_ok=True)
    write_json(_file(), dict(list(answers.items())[-MOST_PEOPLE:]))


def _file() -> Path:
    return folders.home() / "expectations.json"
