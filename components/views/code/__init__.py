"""The code reader: a map of the forward pass, each layer's code line by line, and the tensors that it computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.shared.browser import BrowserComponent
from components.shared.session import Session
from components.views.code.equations import equations, titles
from components.views.code.routes import LIVE

if TYPE_CHECKING:
    from llm.trace.code_session import CodeSession

__all__ = ["LIVE", "SELECTED", "code_reader"]

_code = BrowserComponent("code", "views/code/view.js")

SELECTED = ("layer", "implementation", "line")  # the parameters of the address that hold the selection


def code_reader(session: CodeSession, selected: dict[str, str], columns: str) -> tuple[dict[str, str], str]:
    """Show the code of a session at `selected`, whose keys are `SELECTED`; returns the new selection and columns.

    `columns` are the implementations that the user put side by side, joined by dots; empty: as many as fit.
    """
    kinds = session.code.kinds
    by_kind, title = equations(session.text.config), titles()
    result = _code.mount(
        key=Session.CODE_READER.of(session.key),
        data={
            "url": f"/live/code/{session.key}",
            "layers": [{"path": path, "kind": kind, "title": title.get(kind, kind)} for path, kind in kinds.items()],
            "equations": {kind: by_kind[kind] for kind in set(kinds.values()) if kind in by_kind},
            "selected": selected,
            "columns": columns,
        },
        on_selected_change=lambda: None,
    )
    now: Any = result.selected
    if not now:
        return selected, columns
    return {name: str(now.get(name, "")) for name in SELECTED}, str(now.get("columns", ""))
