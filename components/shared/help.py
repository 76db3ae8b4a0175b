"""The one way in which the app explains a figure: in everyday words, then exactly, then where it is computed."""

from __future__ import annotations

import streamlit as st

from components.shared.explanation import Explanation, locations
from components.shared.source import source_url


def explanation_of(figure: str | Explanation) -> Explanation:
    """The explanation of a figure, given itself or by name. Raises KeyError for a name that none has."""
    if isinstance(figure, Explanation):
        return figure
    # Explanations hold the functions that compute the figures, and those need torch: a page that shows no explanation
    # is not made to wait for it.
    from components.shared.explanations import EXPLANATIONS

    return EXPLANATIONS[figure]


def explain(label: str, *figures: str | Explanation) -> None:
    """A button that opens the explanations of these figures."""
    with st.popover(label, icon=":material/help:", type="tertiary"):
        for figure in figures:
            explanation = explanation_of(figure)
            st.markdown(f"**{explanation.title}.** {explanation.words}")
            st.latex(explanation.equation)
            places = [f"[`{place}`]({source_url(place.file, place.line)})" for place in locations(explanation)]
            origin = f"Computed in {'; '.join(places)}"
            st.caption(f"{origin} · {explanation.source}" if explanation.source else origin)
