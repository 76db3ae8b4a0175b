"""A text that the address keeps, and the tab too while it shows another page.

The sidebar opens a page without what its address held, and Streamlit drops the value of a control that is not drawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import streamlit as st

from components.shared.session import forget
from llm.runtime.text import normalize_text

ADDRESS_SECONDS = 2  # in which a browser gets an address; what is pressed meanwhile still comes with the one before
MOST_OF_TEXT = 4000  # characters of an address for one text: all of a page's stay within what servers accept


def text_box(
    draw: Callable[..., str], label: str, name: str, key: str, default: Callable[[], str], **more: Any
) -> str:  # fmt: skip
    """Show `draw`, a text input or area, with the text that the address has under `name`; returns its text, normalised.

    What the tab has under `key` is older if the address has changed since, as by a link or the browser's Back button.
    """
    given, mark = st.query_params.get(name), f"{key}-written"
    written, before, when = st.session_state.get(mark, (None, None, 0.0))
    on_its_way = given == before and time.monotonic() - when < ADDRESS_SECONDS
    if given not in (None, written) and not on_its_way:
        st.session_state[key] = given
    elif key not in st.session_state:
        st.session_state[key] = default()
    text = normalize_text(draw(label, key=key, persist_state="session", **more))
    if len(quote(text)) <= MOST_OF_TEXT:
        st.query_params[name] = text
        if text != written:
            st.session_state[mark] = (text, written, time.monotonic())
    else:
        forget(name)
        st.session_state.pop(mark, None)
        st.caption("This text is too long for the address: after a reload, and by a link, the page opens without it.")
    return text
