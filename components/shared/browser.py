"""Components that draw themselves in the browser, from the scripts and styles under components/."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from components.shared import assets


@dataclass(frozen=True)
class BrowserComponent:
    """A view in the browser. What a person typed reaches it only as data, and gets onto the page only as text."""

    name: str
    script: str  # below components/; its default export is what `mount` of frontend/mount.js makes of a class

    @property
    def html(self) -> str:
        """The element that the view fills."""
        return f'<div class="llm-{self.name}" data-view></div>'

    def mount(self, **arguments: Any) -> Any:
        """Put the component on the page; the arguments are those of Streamlit's component renderers."""
        return _declared(self, assets.version())(**arguments)


@lru_cache(200)
def _declared(component: BrowserComponent, version: str) -> Any:
    """The component as Streamlit knows it, declared anew after an edit of any script or style."""
    return st.components.v2.component(
        f"llm_{component.name}",
        html=component.html,
        css=assets.style(component.script),
        js=_loader(component.script, version),
        isolate_styles=False,
    )


def _loader(script: str, version: str) -> str:
    """Loads the script's modules, all at once, and exports what the script exports.

    Streamlit runs this from a blob: URL, where relative imports lead nowhere.
    """
    addresses = ",\n".join(f'  "/assets/{version}/{path}"' for path in assets.modules(script))
    return f"""const modules = await Promise.all([
{addresses},
].map((address) => import(location.origin + address)));
export default modules.at(-1).default;
"""
