"""Controls of a view, whose values are kept in the address."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from components.shared.select_box import picked
from components.shared.session import Address, control_key, forget

INVISIBLE = "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]"


def remembered(page: str, name: str, default: str, allowed: Sequence[str]) -> str:
    """The key of the page's control `name`; whoever draws it writes its value to the address.

    It starts with the value in the address, or else with `default`. Later the address has the last word if it has
    changed since, as by a link or the browser's Back button; without a value, as the sidebar opens a page, it has none.
    """
    key, wanted = control_key(page, name), st.query_params.get(name)
    known, written = picked(key) in allowed, f"{key}-written"
    if wanted in allowed and not (known and wanted == st.session_state.get(written)):
        st.session_state[key] = wanted
    elif not known:
        st.session_state[key] = default
    st.session_state[written] = picked(key)
    return key


def choose_one(page: str, name: str, label: str, options: Mapping[str, str], default: str, **more: Any) -> str:
    """Choose one of `options` (shown by their labels); the address keeps it under `name`, and the tab does."""
    chosen: str = st.segmented_control(
        label, list(options), format_func=options.__getitem__, required=True,
        key=remembered(page, name, default, list(options)), persist_state="session", **more,
    )  # fmt: skip
    st.query_params[name] = chosen
    return chosen


def remember_locked(cell: Sequence[int] | None) -> None:
    """Keep in the address which cell of a view is selected; None: no cell."""
    if cell:
        st.query_params[Address.LOCKED] = ".".join(map(str, cell))
    else:
        forget(Address.LOCKED)


def escape_token(text: str) -> str:
    """A token on one line, as the scripts show it: invisible and bidirectional characters become codes."""
    text = text.replace("\n", "↵").replace("\t", "⇥").replace(" ", "·")
    text = re.sub(r"[\x00-\x1f]", lambda sign: chr(0x2400 + ord(sign[0])), text)
    return re.sub(INVISIBLE, lambda sign: f"‹{ord(sign[0]):x}›", text)
