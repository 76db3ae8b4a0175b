"""What the views of the page Inside fetch, all behind one route."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from components.inside import attribution, embeddings, intervene, lens, neurons, patching, residual
from components.inside.common import Answer
from components.looking import look_of

VIEWS = (lens, attribution, residual, intervene, patching, embeddings, neurons)
ANSWERS: dict[str, Answer] = {what: answer for view in VIEWS for what, answer in view.ANSWERS.items()}


def answer(request: Request) -> Response:
    """The answer to /look/{run_id}/{step}/inside/{what}; bad input becomes one sentence and the status 400."""
    what = ANSWERS.get(request.path_params["what"])
    if what is None:
        raise HTTPException(404, "There is no such view")
    try:
        return what(look_of(request), request)
    except (ValueError, OSError) as error:
        raise HTTPException(400, str(error)) from error
