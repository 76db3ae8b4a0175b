"""Views on pages: a page that shows one of its views at a time, or sections of a page, each with a view."""

from __future__ import annotations

import streamlit as st

from components.shared import prediction, states
from components.shared.controls import choose_one
from components.shared.selection import choose_prompt, choose_selection, first_words
from components.shared.session import Address, Session, forget
from components.shared.view import Subject, show
from components.views import views


def view_page(name: str, title: str, introduction: str) -> None:
    """Show the page `name`: choose run, step and text, and one of the page's views."""
    st.title(title)
    st.markdown(introduction)
    above = st.container()  # what the page asks for here depends on the view
    known = views(name)
    chosen = choose_one(
        name, Address.VIEW, "View", {view: known[view].label for view in known}, next(iter(known)),
        label_visibility="collapsed", on_change=forget, args=(Address.LOCKED,),  # means something in one view only
    )  # fmt: skip
    with above:
        selection = choose_selection(title, choose_prompt if known[chosen].reads_prompt else first_words)
    if selection is None:
        return
    try:
        show(known[chosen], selection)
    except (ValueError, OSError) as error:
        states.failed(error)
    prediction.switch()


def view_sections(name: str, subject: Subject) -> None:
    """Show a section for each view of the page `name`; a closed section computes and fetches nothing."""
    for view in views(name).values():
        section = st.expander(view.label, key=Session.VIEW_SECTION.of(view.key, subject.run_id), on_change="rerun")
        if section.open:
            with section:
                try:
                    show(view, subject)
                except (ValueError, OSError) as error:
                    states.failed(error)
