"""Export a view as a page that needs no server and no network, drawn by the same scripts as in the app.

A view's script fetches its numbers from `data["sources"]`, by name. In the app these are URLs of routes; in an
exported page they are data: URLs that contain the bytes.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import secrets
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from components.shared import assets
from components.shared.browser import BrowserComponent
from components.shared.explanation import Explanation, locations
from components.shared.style import css_variables

# The page loads and sends nothing, and runs only its own scripts: those with the page's nonce, and what these import
# through the page's import map.
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data: blob:; connect-src data:"
)

# The app's theme, for a page without Streamlit.
THEME = """
:root { color-scheme: light dark; --st-font: system-ui, sans-serif; --st-heading-font: Georgia, serif;
  --st-code-font: ui-monospace, monospace; --st-text-color: light-dark(#20222c, #e9e7e2);
  --st-background-color: light-dark(#fdfcfa, #14151c); }
body { max-width: 1180px; margin: 2rem auto; padding: 0 1rem; background: var(--st-background-color);
  color: var(--st-text-color); font-family: var(--st-font); line-height: 1.5; }
h1 { font-family: var(--st-heading-font); } code { font-family: var(--st-code-font); }
math { overflow-x: auto; margin: 0.4rem 0; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
"""


def standalone(
    component: BrowserComponent, title: str, text: str, data: Mapping[str, Any], sources: Mapping[str, bytes],
    explained: Iterable[Explanation],
) -> bytes:  # fmt: skip
    """A page with the whole view: numbers, drawing, the text that the model read, and the figures' definitions."""
    held = {name: f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
            for name, content in sources.items()}  # fmt: skip
    # no literal "<" in the script, so that no text can close it
    literal = json.dumps({**data, "sources": held}, ensure_ascii=True).replace("<", "\\u003c")
    notes = "".join(
        f"<dt><strong>{html.escape(explanation.title)}</strong></dt><dd>{html.escape(explanation.words)} "
        f"{mathml(explanation.equation)} Computed in "
        f"<code>{html.escape('; '.join(map(str, locations(explanation))))}</code>.</dd>"
        for explanation in explained
    )
    nonce = secrets.token_urlsafe(16)
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY.format(nonce=nonce)}">
<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>
<style>{THEME}{css_variables()}{assets.style(component.script)}</style>
<script type="importmap" nonce="{nonce}">{assets.import_map(component.script)}</script></head>
<body class="stApp"><h1>{html.escape(title)}</h1><p class="text">{html.escape(text)}</p>
<div id="view">{component.html}</div><dl>{notes}</dl>
<script type="module" nonce="{nonce}">import draw from "{assets.bare_name(component.script)}";
draw({{ data: {literal}, parentElement: document.getElementById("view"), setStateValue: () => {{}} }});
</script></body></html>"""
    return page.encode()


def mathml(latex: str) -> str:
    """An equation as MathML, which browsers draw without a script or a font from elsewhere."""
    from latex2mathml.converter import convert  # here: only an export needs it

    markup: str = convert(latex, display="block")
    return markup


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]], plain: Container[str] = ()) -> str:
    """A table as CSV. Strings are written as JSON: spaces stay visible, and no cell can start a formula.

    Those in the columns `plain` are written as they are: names that the app itself gives.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(
            [
                json.dumps(cell, ensure_ascii=False) if isinstance(cell, str) and name not in plain else cell
                for name, cell in zip(header, row, strict=True)
            ]
        )
    return file.getvalue()


def file_response(content: str | bytes, name: str, media_type: str) -> Response:
    """An answer that the browser saves as a file of this name."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
