"""Parts of the page that draw themselves in the browser, from scripts and styles under components/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

COMPONENTS = Path(__file__).parent.parent
FRONTEND = COMPONENTS / "frontend"


def browser_component(name: str, *files: str) -> Any:
    """Declare a component of these scripts, and of the style beside the last one; to be called once, at a module's top.

    `files` are paths below components/, without their ending; what all share (shared.js) comes before them. What a
    person typed reaches a component only as data, and gets onto the page only as text.
    """
    style = COMPONENTS / f"{files[-1]}.css"
    return st.components.v2.component(
        f"llm_{name}",
        html=f'<div class="llm-{name}"></div>',
        css=style.read_text("utf-8") if style.exists() else "",
        js="\n".join((COMPONENTS / f"{file}.js").read_text("utf-8") for file in ("frontend/shared", *files)),
        isolate_styles=False,
    )
