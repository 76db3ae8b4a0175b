"""Routes of the code reader: a layer's code and steps, a comparison, windows of tensors, origins of cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.shared.packing import pack
from components.shared.parameters import int_param, require_natural
from llm.runtime import compute
from llm.trace.code_session import CodeSession
from llm.trace.description import array_window, compare_code, describe_cell, describe_code, find_variable
from llm.trace.sessions import find_session

Answer = Callable[[CodeSession, Request], Response]


def _answer(what: Answer, request: Request) -> Response:
    """Dispatch to one of the handlers below. Invalid input becomes status 400 with one sentence."""
    session = find_session(request.path_params["key"])
    if session is None:
        raise HTTPException(404, "This forward pass is no longer in memory: reload the page")
    if (edited := session.edited_source()) is not None:
        raise HTTPException(409, f"{edited.name} was edited after this page was opened: reload the page")
    try:
        return what(session, request)
    except Exception as error:  # any line of an edited file can fail: its error is shown
        raise HTTPException(400, str(error) or type(error).__name__) from error


def _layer(session: CodeSession, request: Request) -> Response:
    """The code of a layer in every implementation, and what each of its lines computed from the text."""
    return JSONResponse(compute.finish(describe_code.steps(session, _path(request))))


def _comparison(session: CodeSession, request: Request) -> Response:
    """How much the implementations of a layer differ on the text, and how long each takes."""
    return JSONResponse([vars(one) for one in compute.finish(compare_code.steps(session, _path(request)))])


def _array(session: CodeSession, request: Request) -> Response:
    """Two axes of a tensor or its gradient: `window` [row, column], packed in float32."""
    variable = compute.finish(find_variable.steps(session, _path(request), *_variable(request)))
    query = request.query_params
    rows, columns, gradient = int_param(query, "rows"), int_param(query, "columns"), query.get("gradient") == "1"
    array = compute.run(array_window, variable, gradient, rows, columns, _index(request))
    return Response(pack({"window": array.astype(np.float32)}), media_type="application/octet-stream")


def _cell(session: CodeSession, request: Request) -> Response:
    """One element of a tensor and the numbers that it was computed from."""
    steps = describe_cell.steps(session, _path(request), *_variable(request), _index(request))
    return JSONResponse(compute.finish(steps))


def _path(request: Request) -> str:
    return request.query_params.get("path", "")


def _variable(request: Request) -> tuple[str, int, str]:
    """Implementation, step and name of the requested variable."""
    query = request.query_params
    return query.get("implementation", ""), int_param(query, "step"), query.get("name", "")


def _index(request: Request) -> list[int]:
    """An index into a tensor, as "0,3,2"."""
    parts = request.query_params.get("index", "").split(",")
    return [require_natural("index", part) for part in parts if part]


LIVE = {
    "code/layer": partial(_answer, _layer),
    "code/comparison": partial(_answer, _comparison),
    "code/array": partial(_answer, _array),
    "code/cell": partial(_answer, _cell),
}
