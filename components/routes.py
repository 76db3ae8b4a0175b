"""Read-only routes: what the browser asks for again and again, answered without a rerun of any page.

A rerun costs training a fifth of its speed; a route costs a look into a file. torch is imported in the endpoints, long
after the server has started to answer.
"""

from __future__ import annotations

import hashlib
from functools import cache

import plotly.offline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.shared import folders
from components.shared.assets import ASSETS_URL, asset

PLOTLY_URL = "/assets/plotly.js"

# Functions without `async`: Starlette runs them in threads of their own, so that reading a file never holds up a page.


def run_progress(request: Request) -> JSONResponse:
    """How a run stands, and its metrics from byte `from` of metrics.jsonl on."""
    from llm.background import trainings
    from llm.checkpoints import RUN_ID, RunFolder

    run_id = request.path_params["run_id"]
    folder_path = folders.checkpoints() / run_id
    if not RUN_ID.fullmatch(run_id) or not folder_path.is_dir():
        raise HTTPException(404, "There is no such run")
    folder = RunFolder(folder_path)
    chunk = folder.read_metrics(_offset(request))
    here = trainings.get(run_id)
    status = folder.status()
    return JSONResponse(
        {
            "state": here.state if here is not None and here.active else status.state,
            "message": status.message,
            "here": here is not None and here.active,
            "reset": chunk.reset,
            "next": chunk.next_offset,
            # the norms of single layers are many numbers that these charts do not show
            "rows": [{name: row[name] for name in row if name != "grad_norms"} for row in chunk.rows],
        }
    )


def generation_progress(request: Request) -> JSONResponse:
    """How the writing of a text stands, and its tokens from number `from` on."""
    from llm.background.generations import get

    generation = get(request.path_params["generation_id"])
    if generation is None:
        raise HTTPException(404, "There is no such text: the server has been started anew since")
    tokens = generation.tokens[_offset(request) :]
    return JSONResponse(
        {
            "state": generation.state,
            "message": generation.message,
            "tokens": [
                {
                    "id": token.id,
                    "text": token.text,
                    "probability": token.probability,
                    "model_probability": token.model_probability,
                    "rank": token.rank,
                    "alternatives": [[other.text, other.probability] for other in token.alternatives],
                }
                for token in tokens
            ],
        }
    )


def code(request: Request) -> Response:
    """What the code reader shows of a forward pass."""
    from components.views.code.routes import LIVE

    answer = LIVE.get(f"code/{request.path_params['what']}")
    if answer is None:
        raise HTTPException(404, "There is no such route")
    return answer(request)


def attention(request: Request) -> Response:
    """What the page Attention draws, and what one can carry away from it."""
    from components.attention_routes import answer

    return answer(request)


def inside(request: Request) -> Response:
    """What the page Inside draws, and what one can carry away from it."""
    from components.views.inside_answers import answer

    return answer(request)


@cache
def _plotly() -> tuple[bytes, str]:
    script = plotly.offline.get_plotlyjs().encode()
    return script, f'"{hashlib.sha256(script).hexdigest()[:16]}"'


def plotly_script(request: Request) -> Response:
    """Plotly's own JavaScript, as its Python package ships it; a browser that has it already is told so."""
    script, etag = _plotly()
    headers = {"ETag": etag, "Cache-Control": "max-age=86400"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(script, media_type="text/javascript", headers=headers)


def _offset(request: Request) -> int:
    text = request.query_params.get("from", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise HTTPException(400, f"from={text[:40]} is not possible: it must be a whole number of 0 or more")
    return int(text)


ROUTES = [
    Route("/live/run/{run_id}", run_progress),
    Route("/live/generation/{generation_id}", generation_progress),
    Route("/live/code/{key}/{what}", code),
    Route("/look/{run_id}/{step}/attention/{what}", attention),
    Route("/look/{run_id}/{step}/inside/{what}", inside),
    Route(PLOTLY_URL, plotly_script),
    Route(ASSETS_URL, asset),
]
