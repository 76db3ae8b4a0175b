"""Controls of a view, whose values the address remembers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from components.shared.session import Address, control_key, forget

INVISIBLE = "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]"


def remembered(page: str, name: str, default: str, allowed: Sequence[str]) -> str:
    """The key of the page's control `name`, which starts with the value in the address, else with `default`."""
    key = control_key(page, name)
    if st.session_state.get(key) not in allowed:
        wanted = st.query_params.get(name)
        st.session_state[key] = wanted if wanted in allowed else default
    return key


def choose_one(page: str, name: str, label: str, options: Mapping[str, str], default: str, **more: Any) -> str:
    """One of `options` (shown by their labels), which the address remembers under `name`."""
    chosen: str = st.segmented_control(
        label, list(options), format_func=options.__getitem__, required=True,
        key=remembered(page, name, default, list(options)), **more,
    )  # fmt: skip
    st.query_params[name] = chosen
    return chosen


def remember_locked(cell: Sequence[int] | None) -> None:
    """Keep in the address which cell of a view stays selected; None: none does."""
    if cell:
        st.query_params[Address.LOCKED] = ".".join(map(str, cell))
    else:
        forget(Address.LOCKED)


def escape_token(text: str) -> str:
    """A token on one line, as the scripts show it: invisible and direction-changing characters become their codes."""
    text = text.replace("\n", "↵").replace("\t", "⇥").replace(" ", "·")
    text = re.sub(r"[\x00-\x1f]", lambda sign: chr(0x2400 + ord(sign[0])), text)
    return re.sub(INVISIBLE, lambda sign: f"‹{ord(sign[0]):x}›", text)
