"""Carry away: what draws a view on the page also draws it in a page of its own, that needs no server and no network.

A portable component is told where its numbers are (`data["sources"]`, by name). On the app's page these are addresses
of routes; in a page to keep they are the very bytes, as data: URLs.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from components.shared.browser import COMPONENTS
from components.shared.explanation import computed_in
from components.shared.help import explanation_of
from components.shared.style import css_variables

# Nothing is loaded, sent or run but what the page itself holds.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; connect-src data:"
)

# What the app's theme says, for a page without it.
THEME = """
:root { color-scheme: light dark; --st-font: system-ui, sans-serif; --st-heading-font: Georgia, serif;
  --st-code-font: ui-monospace, monospace; --st-text-color: light-dark(#20222c, #e9e7e2);
  --st-background-color: light-dark(#fdfcfa, #14151c); }
body { max-width: 1180px; margin: 2rem auto; padding: 0 1rem; background: var(--st-background-color);
  color: var(--st-text-color); font-family: var(--st-font); line-height: 1.5; }
h1 { font-family: var(--st-heading-font); } code { font-family: var(--st-code-font); }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
"""


@dataclass(frozen=True)
class Portable:
    """A component that can be carried away: how the app mounts it, and its script and style."""

    name: str
    mount: Any
    script: str
    style: str


def portable(name: str, *parts: str) -> Portable:
    """Declare a component of these scripts and styles, paths below components/ without ending; once, at a module's top.

    The last script exports one function called `draw`.
    """
    files = ["frontend/shared", "frontend/export", "frontend/picture", *parts]
    script = "\n".join((COMPONENTS / f"{file}.js").read_text("utf-8") for file in files)
    styles = [COMPONENTS / f"{file}.css" for file in files]
    style = "\n".join(path.read_text("utf-8") for path in styles if path.exists())
    mount = st.components.v2.component(
        f"llm_{name}", html=f'<div class="llm-{name}"></div>', css=style, js=script, isolate_styles=False
    )
    return Portable(name, mount, script, style)


def standalone(
    component: Portable, title: str, text: str, data: Mapping[str, Any], sources: Mapping[str, bytes],
    explained: Iterable[str],
) -> bytes:  # fmt: skip
    """A page of the whole view: its numbers, its drawing, the text that was read, and the figures' definitions."""
    held = {name: f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
            for name, content in sources.items()}  # fmt: skip
    # "<" never stands in the script as such, so that no text can end it
    literal = json.dumps({**data, "sources": held}, ensure_ascii=True).replace("<", "\\u003c")
    notes = "".join(
        f"<dt><strong>{html.escape(one.title)}</strong></dt><dd>{html.escape(one.words)} "
        f"<code>{html.escape(one.equation)}</code> Computed in "
        f"<code>{html.escape('; '.join(computed_in(one)))}</code>.</dd>"
        for one in map(explanation_of, explained)
    )
    script = component.script.replace("export default function draw", "function draw")
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>
<style>{THEME}{css_variables()}{component.style}</style></head>
<body class="stApp"><h1>{html.escape(title)}</h1><p class="text">{html.escape(text)}</p>
<div id="view"><div class="llm-{component.name}"></div></div><dl>{notes}</dl>
<script type="module">{script}
draw({{ data: {literal}, parentElement: document.getElementById("view"), setStateValue: () => {{}} }});
</script></body></html>"""
    return page.encode()


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV. Texts stand in it as JSON strings: one can tell all spaces, and none begins a formula."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([json.dumps(cell, ensure_ascii=False) if isinstance(cell, str) else cell for cell in row])
    return file.getvalue()
