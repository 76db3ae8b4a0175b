"""Read-only routes, which the browser polls: they answer without a rerun of any page.

A rerun costs training a fifth of its speed; a route costs reading a file. Each view answers its own requests (see
components/views). Views, and torch with them, are imported at the first request, so that the server starts fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from components.shared.assets import ASSETS_URL, asset
from components.shared.plotly import PLOTLY_URL, plotly_script
from components.shared.source import SOURCE_URL, source_page
from llm.runtime.files import error_text

if TYPE_CHECKING:
    from components.shared.view import Subject

# Functions without `async`: Starlette runs them in threads, so that reading a file never blocks a page.


def live(request: Request) -> Response:
    """Data that changes while a page shows it, such as a run's metrics: `LIVE` of the views."""
    from components.views import live_routes

    parts = [request.path_params[name] for name in ("kind", "what") if name in request.path_params]
    route = live_routes().get("/".join(parts))
    if route is None:
        raise HTTPException(404, "There is no such route")
    return _or_bad_request(lambda: route(request))


def selection(request: Request) -> Response:
    """The data of a view of a selection (a run, a step and a text), and its exports."""
    from components.shared.selection import selection_from_request

    return _view_answer(selection_from_request, request)


def run(request: Request) -> Response:
    """The data of a view of a whole run, and its exports."""
    from components.shared.selection import run_from_request

    return _view_answer(run_from_request, request)


def _view_answer(subject: Callable[[Request], Subject], request: Request) -> Response:
    """The response of the view named in the address, if the view shows this kind of subject."""
    from components.views import views

    shown = [view for view in views(request.path_params["page"]).values() if view.subject is subject]
    answers = {what: answer for view in shown for what, answer in view.answers().items()}
    answer = answers.get(request.path_params["what"])
    if answer is None:
        raise HTTPException(404, "There is no such view")
    return _or_bad_request(lambda: answer(subject(request), request.query_params))


def _or_bad_request(answer: Callable[[], Response]) -> Response:
    """The response; bad input becomes status 400 with one sentence."""
    try:
        return answer()
    except (ValueError, OSError) as error:
        raise HTTPException(400, error_text(error)) from error


def file(serve: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """The route of a file; a path that no file system accepts (a zero byte, too long a name) is not found."""

    def served(request: Request) -> Response:
        try:
            return serve(request)
        except (ValueError, OSError) as error:
            raise HTTPException(404, "There is no such file") from error

    return served


ROUTES = [
    Route("/live/{kind}/{key}", live),
    Route("/live/{kind}/{key}/{what}", live),
    Route("/selection/{run_id}/{step}/{page}/{what}", selection),
    Route("/run/{run_id}/{page}/{what}", run),
    Route(PLOTLY_URL, plotly_script),
    Route(ASSETS_URL, file(asset)),
    Route(SOURCE_URL, file(source_page)),
]
