"""Predict, then reveal: each view asks once what a person expects of it. Guessing first is what makes a look teach."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from components.shared import folders
from llm.runtime.files import write_json

OFF = "never ask"


def expect(view: str, question: str, answers: Sequence[str]) -> bool:
    """Whether `view` may be shown: its question has been answered, or nobody wants to be asked."""
    kept = _kept()
    if view in kept or kept.get(OFF):
        return True
    with st.container(border=True):
        st.markdown(f"**What do you expect?** {question}")
        with st.container(horizontal=True):
            for answer in answers:
                st.button(answer, key=f"expect-{view}-{answer}", on_click=_keep, args=(view, answer))
            st.button("Just show me", key=f"expect-{view}", type="tertiary", on_click=_keep, args=(view, ""))
            st.button("Never ask", key=f"expect-{view}-off", type="tertiary", on_click=_keep, args=(OFF, True))
    return False


def expected(view: str) -> str:
    """The answer that was given for `view`, or nothing."""
    return str(_kept().get(view) or "")


def switch() -> None:
    """At the end of a page: whether views ask at all."""
    st.session_state["expect-switch"] = not _kept().get(OFF)  # a view's own button may have changed it
    st.toggle(
        "Ask me what I expect before a view is shown for the first time", key="expect-switch",
        on_change=lambda: _keep(OFF, not st.session_state["expect-switch"]),
    )  # fmt: skip


def _kept() -> dict[str, Any]:
    """What was answered, in a file that a refresh and a restart survive; a damaged one counts as empty."""
    try:
        kept = json.loads((folders.home() / "expectations.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _keep(name: str, answer: str | bool) -> None:
    folders.home().mkdir(parents=True, exist_ok=True)
    write_json(folders.home() / "expectations.json", _kept() | {name: answer})
