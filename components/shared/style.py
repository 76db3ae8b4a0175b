"""Colours by meaning, in light and dark, for charts, tokens and heat maps.

Python does not know the user's theme. Each colour becomes a CSS variable, `--llm-train` and so on, whose value is
CSS's own `light-dark(…, …)`; Streamlit sets the colour scheme, so a change of theme needs no rerun. Components read the
variables in the browser.
"""

from __future__ import annotations

import streamlit as st

# meaning: (in the light theme, in the dark theme)
COLOURS: dict[str, tuple[str, str]] = {
    "train": ("#2563c9", "#7fb0ff"),  # measured on training text
    "validation": ("#c2540a", "#ffa45c"),  # measured on validation text
    "baseline": ("#6b6f7b", "#9fa4b3"),  # baselines and other reference lines
    "accent": ("#5746d6", "#a79dff"),  # selected, or can be pressed
    "positive": ("#0a7d5f", "#4fd1a8"),  # positive values
    "negative": ("#b8285a", "#ff85ab"),  # negative values
    "neutral": ("#f3f0ea", "#262833"),  # zero, in the middle of a heat map
    "good": ("#0a7d5f", "#4fd1a8"),  # state: all is well
    "warning": ("#a15c00", "#ffc46b"),  # state: waiting
    "bad": ("#b3261e", "#ff8a80"),  # state: failed
    "panel": ("#ffffff", "#1b1d26"),  # cards and tiles
    "line": ("#ddd8ce", "#363947"),  # borders and grids
    "quiet": ("#636571", "#a5a8b6"),  # labels beside the values that matter
}

# backgrounds behind tokens, cycled so that neighbours differ; text on them keeps the page's colour
TOKEN_COLOURS: tuple[tuple[str, str], ...] = (
    ("#d9e4fb", "#26406e"),
    ("#fbe1cc", "#6b3d18"),
    ("#d6f0e4", "#17543f"),
    ("#f7d9e6", "#6a2745"),
    ("#e6defb", "#43357f"),
    ("#f5eabf", "#5a4a10"),
)

# runs beside each other, in the order in which they were chosen
RUN_COLOURS: tuple[tuple[str, str], ...] = (
    ("#2563c9", "#7fb0ff"),
    ("#c2540a", "#ffa45c"),
    ("#0a7d5f", "#4fd1a8"),
    ("#b8285a", "#ff85ab"),
    ("#7a3fd1", "#bda3ff"),
    ("#7a5a00", "#e6cc5c"),
    ("#0b7285", "#66d9ef"),
    ("#5c5f66", "#c1c4cc"),
)

STYLE = """
.stApp .block-container, .stMainBlockContainer { max-width: 1180px; padding-top: 2.6rem; }
.stMain { scrollbar-gutter: stable; } /* a run that is opened makes a page longer: nothing moves then */
.stApp h1 { letter-spacing: -0.01em; }
.st-key-generate-desk { display: grid; grid-template-columns: 18rem minmax(0, 1fr); gap: 1.5rem; }
.st-key-generate-result { position: sticky; top: 4rem; align-self: start; }
@media (max-width: 1100px) {
  .st-key-generate-desk { grid-template-columns: minmax(0, 1fr); gap: 0.8rem; }
  /* so that the text is in view with it; what is loaded in it does not move it */
  .st-key-generate-settings { max-height: 24rem; overflow-y: auto; overflow-anchor: none; padding: 2px; }
  .st-key-generate-settings > * { flex-shrink: 0; }
  .st-key-generate-result { position: static; }
}
@media (max-width: 1000px) { /* Streamlit's own sidebar takes 300 pixels, whatever there are */
  .stSidebar[data-collapsed="false"] { width: 11rem !important; min-width: 11rem !important; }
  .stSidebar [data-testid="stSidebarContent"] { padding-inline: 0.5rem; }
}
/* all runs that are compared, not four and a half */
.st-key-compare-runs div:has(> [data-testid="stMultiSelectTagsContainer"]),
.st-key-compare-runs [data-testid="stMultiSelectTagsContainer"] { max-height: none; }
/* Streamlit's own sign that the page is computed anew, with a "Stop" that is not a training's */
[data-testid="stStatusWidget"] { display: none; }
/* a shadow at the right edge of a table that goes on there, until one has scrolled to its end */
@keyframes llm-more { from { box-shadow: inset -1rem 0 0.8rem -0.8rem var(--llm-quiet); } to { box-shadow: none; } }
.stDataFrame .dvn-scroller { animation: llm-more linear both; animation-timeline: scroll(self inline); }
"""


def css_variables() -> str:
    """The colours as CSS variables, for the root of the app."""
    variables = [f"--llm-{name}: light-dark({light}, {dark});" for name, (light, dark) in COLOURS.items()]
    variables += [
        f"--llm-token-{index}: light-dark({light}, {dark});" for index, (light, dark) in enumerate(TOKEN_COLOURS)
    ]
    variables += [f"--llm-run-{index}: light-dark({light}, {dark});" for index, (light, dark) in enumerate(RUN_COLOURS)]
    return ".stApp { " + " ".join(variables) + " }"


def apply() -> None:
    """Add the colours, and the few rules that a Streamlit theme cannot express, to this page."""
    st.html(f"<style>{css_variables()}{STYLE}</style>")
