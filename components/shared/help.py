"""How the app explains a figure: in plain words, as an equation, and where it is computed."""

from __future__ import annotations

import streamlit as st

from components.shared.explanation import Explanation, locations
from components.shared.source import source_url


def explain(label: str, *explanations: Explanation) -> None:
    """Show a button that opens these explanations."""
    with st.popover(label, icon=":material/help:", type="tertiary"):
        for explanation in explanations:
            st.markdown(f"**{explanation.title}.** {explanation.words}")
            st.latex(explanation.equation)
            links = [f"[`{code}`]({source_url(code.file, code.line)})" for code in locations(explanation)]
            origin = f"Computed in {'; '.join(links)}"
            st.caption(f"{origin} · {explanation.source}" if explanation.source else origin)
