"""Parts of the page that draw themselves in the browser, from the files in components/frontend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

FRONTEND = Path(__file__).parent / "frontend"


def browser_component(name: str, *parts: str) -> Any:
    """Declare the component of `name`.js and, where there is one, `name`.css; to be called once, at a module's top.

    Each script begins with what all share (shared.js), then with the files of `parts`. What a person typed reaches a
    component only as data, and gets onto the page only as text.
    """
    style = FRONTEND / f"{name}.css"
    return st.components.v2.component(
        f"llm_{name}",
        html=f'<div class="llm-{name}"></div>',
        css=style.read_text("utf-8") if style.exists() else "",
        js="\n".join((FRONTEND / f"{file}.js").read_text("utf-8") for file in ("shared", *parts, name)),
        isolate_styles=False,
    )
