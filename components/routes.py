"""Read-only routes: what the browser asks for again and again, answered without a rerun of any page.

A rerun costs training a fifth of its speed; a route costs a look into a file. torch is imported in the endpoints, long
after the server has started to answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import plotly.offline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.shared import folders

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


def code_layer(request: Request) -> JSONResponse:
    """The code of a layer in its three implementations, and what each of its lines made of the text."""
    return JSONResponse(_computed_in_parts(_reading(request).describing(_layer(request))))


def code_comparison(request: Request) -> JSONResponse:
    """How far the implementations of a layer are apart on the text, and the time of each."""
    return JSONResponse([vars(one) for one in _computed_in_parts(_reading(request).comparing(_layer(request)))])


def code_array(request: Request) -> Response:
    """Two axes of a tensor or its gradient: float32, row by row; the header X-Shape says how many rows and columns."""
    reading, query = _reading(request), request.query_params
    _, variable = _computed(reading.variable, _layer(request), *_variable(request))
    gradient = query.get("gradient") == "1"
    rows, columns = _whole(request, "rows"), _whole(request, "columns")
    array = _computed(reading.array, variable, gradient, rows, columns, _place(request))
    shape = {"X-Shape": ",".join(map(str, array.shape))}
    return Response(array.astype("<f4").tobytes(), media_type="application/octet-stream", headers=shape)


def code_cell(request: Request) -> JSONResponse:
    """One number of a tensor and the numbers that it was made of."""
    reading = _reading(request)
    return JSONResponse(_computed(reading.origin, _layer(request), *_variable(request), _place(request)))


def _reading(request: Request) -> Any:
    from llm.trace.reading import get

    reading = get(request.path_params["key"])
    if reading is None:
        raise HTTPException(404, "This forward pass is no longer in memory: reload the page")
    return reading


def _computed(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of `function`, computed in the one thread that runs torch; bad input becomes an answer of status 400.

    An edited source file can make any line fail: what it raises is shown, not hidden.
    """
    from llm.runtime import compute

    try:
        return compute.run(function, *arguments)
    except Exception as error:
        raise HTTPException(400, str(error) or type(error).__name__) from error


def _computed_in_parts(parts: Iterator[Any]) -> Any:
    """The last item of an iterator, each of its parts a task of its own, so that a training goes on between them."""
    from llm.runtime import compute

    try:
        *_, last = compute.iterate(parts)
    except Exception as error:
        raise HTTPException(400, str(error) or type(error).__name__) from error
    return last


def _layer(request: Request) -> str:
    return request.query_params.get("path", "")


def _variable(request: Request) -> tuple[str, int, str]:
    query = request.query_params
    return query.get("implementation", ""), _whole(request, "step"), query.get("name", "")


def _place(request: Request) -> list[int]:
    numbers = [part for part in request.query_params.get("at", "").split(",") if part]
    return [_number("at", part) for part in numbers]


def _whole(request: Request, name: str) -> int:
    return _number(name, request.query_params.get(name, "0"))


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
    return _whole(request, "from")


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise HTTPException(400, f"{name}={text[:40]} is not possible: it must be a whole number of 0 or more")
    return int(text)


ROUTES = [
    Route("/live/run/{run_id}", run_progress),
    Route("/live/generation/{generation_id}", generation_progress),
    Route("/live/code/{key}/layer", code_layer),
    Route("/live/code/{key}/comparison", code_comparison),
    Route("/live/code/{key}/array", code_array),
    Route("/live/code/{key}/cell", code_cell),
    Route("/look/{run_id}/{step}/attention/{what}", attention),
    Route("/look/{run_id}/{step}/inside/{what}", inside),
    Route(PLOTLY_URL, plotly_script),
]
