"""A page of views: run, step and text, and one of the views that components/views declares for it."""

from __future__ import annotations

import streamlit as st

from components.shared import prediction, states
from components.shared.controls import choose_one
from components.shared.selection import choose_selection
from components.shared.session import Address, forget
from components.shared.view import show
from components.views import views


def view_page(name: str, title: str, introduction: str) -> None:
    """The page `name`, as views call it."""
    st.title(title)
    st.markdown(introduction)
    selection = choose_selection(title)
    if selection is None:
        return
    known = views(name)
    chosen = choose_one(
        name, Address.VIEW, "View", {view: known[view].label for view in known}, next(iter(known)),
        label_visibility="collapsed", on_change=forget, args=(Address.LOCKED,),  # what is selected in one view only
    )  # fmt: skip
    try:
        show(known[chosen], selection)
    except (ValueError, OSError) as error:
        states.failed(error)
    prediction.switch()
