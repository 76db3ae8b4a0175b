"""What a page shows when there is nothing yet, when something takes a while, and when something failed."""

from __future__ import annotations

from contextlib import AbstractContextManager

import streamlit as st


def empty(title: str, what_to_do: str, page: str | None = None, button: str = "") -> None:
    """Nothing here yet, and the page that changes it."""
    with st.container(border=True):
        st.markdown(f"**{title}**")
        st.markdown(what_to_do)
        if page is not None and st.button(button, type="primary", icon=":material/arrow_forward:"):
            st.switch_page(page)


def loading(what: str) -> AbstractContextManager[None]:
    """Say what is being waited for, around the code that takes its time."""
    return st.spinner(f"{what} …", show_time=True)


def failed(error: Exception | str) -> None:
    """What went wrong, in the words of whoever noticed it. Shown as plain text, whatever it quotes."""
    with st.container(border=True):
        st.markdown(":material/error: :red[**That did not work**]")
        st.text(str(error))
