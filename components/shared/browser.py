"""Components drawn in the browser by the scripts and styles under components/."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from components.shared import assets


@dataclass(frozen=True)
class BrowserComponent:
    """A component in the browser. User input reaches it only as data and is shown only as text."""

    name: str
    script: str  # path below components/; its default export is a class wrapped by `mount` of frontend/mount.js

    @property
    def html(self) -> str:
        """The element that the script fills."""
        return f'<div class="llm-{self.name}" data-view></div>'

    def mount(self, **arguments: Any) -> Any:
        """Show the component on the page; takes the arguments of Streamlit's component renderers."""
        return _declared(self, assets.version())(**arguments)


@lru_cache(200)
def _declared(component: BrowserComponent, version: str) -> Any:
    """Declare the component to Streamlit; again after an edit of any script or style."""
    return st.components.v2.component(
        f"llm_{component.name}",
        html=component.html,
        css=assets.style(component.script),
        js=_loader(component.script, version),
        isolate_styles=False,
    )


def _loader(script: str, version: str) -> str:
    """JavaScript that loads the script's modules in parallel and re-exports the script's default export.

    Streamlit runs this from a blob: URL, where relative imports lead nowhere.
    """
    addresses = ",\n".join(f'  "/assets/{version}/{path}"' for path in assets.modules(script))
    return f"""const modules = await Promise.all([
{addresses},
].map((address) => import(location.origin + address)));
export default modules.at(-1).default;
"""
