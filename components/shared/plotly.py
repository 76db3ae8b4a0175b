"""Plotly's own JavaScript, served from the Python package that ships it, so that charts need no network."""

from __future__ import annotations

import hashlib
from functools import cache

import plotly.offline
from starlette.requests import Request
from starlette.responses import Response

PLOTLY_URL = "/assets/plotly.js"


@cache
def _script() -> tuple[bytes, str]:
    script = plotly.offline.get_plotlyjs().encode()
    return script, f'"{hashlib.sha256(script).hexdigest()[:16]}"'


def plotly_bytes() -> bytes:
    """The script, for an exported page."""
    return _script()[0]


def plotly_script(request: Request) -> Response:
    """Serve the script, or 304 to a browser that has it already."""
    script, etag = _script()
    headers = {"ETag": etag, "Cache-Control": "max-age=86400"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(script, media_type="text/javascript", headers=headers)
