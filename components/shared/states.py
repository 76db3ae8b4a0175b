"""What a page shows when it is empty, loading, or failed."""

from __future__ import annotations

from contextlib import AbstractContextManager

import streamlit as st

from llm.runtime.files import error_text


def empty(title: str, what_to_do: str, page: str | None = None, button: str = "") -> None:
    """Say that there is nothing here yet, and link to the page that changes it."""
    with st.container(border=True):
        st.markdown(f"**{title}**")
        st.markdown(what_to_do)
        if page is not None and st.button(button, type="primary", icon=":material/arrow_forward:"):
            st.switch_page(page)


def loading(what: str) -> AbstractContextManager[None]:
    """Say what the page is waiting for, while the code in the `with` block runs."""
    return st.spinner(f"{what} …", show_time=True)


def failed(error: Exception | str) -> None:
    """Show an error's message, as plain text, whatever it quotes."""
    with st.container(border=True):
        st.markdown(":material/error: :red[**That did not work**]")
        st.text(error_text(error))
