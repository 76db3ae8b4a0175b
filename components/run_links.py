"""Links from a run on the page Train to the pages that use it."""

from __future__ import annotations

import streamlit as st

from components.shared.session import Address, Session

LOOK_INSIDE = {
    "attention.py": ("Attention", ":material/visibility:"),
    "circuit.py": ("Circuit", ":material/account_tree:"),
}


def links(run_id: str) -> None:
    """A button to generate text with the run, and links to where one compares it and looks inside it."""
    run = {Address.RUN.value: run_id}
    if st.button("Generate text", icon=":material/edit_note:", key=Session.TRAIN_GENERATE):
        st.switch_page("generate.py", query_params=run)
    st.page_link("compare.py", label="Compare", icon=":material/compare_arrows:", query_params=[(Address.RUNS, run_id)])
    for page, (label, icon) in LOOK_INSIDE.items():
        st.page_link(page, label=label, icon=icon, query_params=run)
