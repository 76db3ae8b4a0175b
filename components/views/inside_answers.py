"""What the views of the page Inside fetch, all behind one route."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from components.shared.answers import Answer, answered
from components.views import attribution, embeddings, intervene, lens, neurons, patching, residual

VIEWS = (lens, attribution, residual, intervene, patching, embeddings, neurons)
ANSWERS: dict[str, Answer] = {what: answer for view in VIEWS for what, answer in view.ANSWERS.items()}


def answer(request: Request) -> Response:
    """The answer to /look/{run_id}/{step}/inside/{what}."""
    return answered(ANSWERS, request)
