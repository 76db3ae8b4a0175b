"""The library's source files as pages with numbered lines, so that a figure can link to the code that computes it."""

from __future__ import annotations

import html

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from components.shared.explanation import PROJECT

SOURCE_URL = "/source/{path:path}"
STYLE = """:root { color-scheme: light dark } body { font: 0.9rem/1.5 ui-monospace, monospace; margin: 2rem }
pre { counter-reset: line } pre span { display: block; white-space: pre-wrap }
pre span::before { counter-increment: line; content: counter(line); display: inline-block; width: 4em; opacity: 0.5 }
:target { background: light-dark(#fff3c4, #4a3f12) }"""


def source_url(file: str, line: int) -> str:
    """The URL of this line of a file of the library."""
    return f"{SOURCE_URL.partition('{')[0]}{file}#L{line}"


def source_page(request: Request) -> HTMLResponse:
    """A Python file of the library with numbered lines. Raises HTTPException for any other file."""
    name = request.path_params["path"]
    path = (PROJECT / name).resolve()
    if path.suffix != ".py" or not path.is_relative_to(PROJECT / "llm") or not path.is_file():
        raise HTTPException(404, "There is no such source file")
    lines = path.read_text("utf-8").splitlines()
    code = "".join(f'<span id="L{number}">{html.escape(line)}</span>' for number, line in enumerate(lines, start=1))
    title = html.escape(name)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1><pre>{code}</pre></html>",
        headers={
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "Cache-Control": "no-store",
        },
    )
