"""A text as a model writes it, token by token."""

from __future__ import annotations

from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from components.shared.browser import BrowserComponent
from components.shared.parameters import int_param
from llm.background.generations import get

_writing = BrowserComponent("writing", "views/writing/view.js")


def writing(generation_id: str, prompt: str, waiting: bool, stop: Callable[[], None], key: str) -> None:
    """A text as it is written, with a button that stops it; each token shows which others were likely.

    At the end of the text the page is rerun only if something on it is `waiting` for that: each rerun slows down a
    training run.
    """
    _writing.mount(
        key=key,
        data={"url": f"/live/generation/{generation_id}", "prompt": prompt, "waiting": waiting},
        on_ended_change=lambda: None,
        on_stop_change=stop,
    )


def progress(request: Request) -> JSONResponse:
    """The state of a text, and its tokens from index `from` on."""
    generation = get(request.path_params["key"])
    if generation is None:
        raise HTTPException(404, "There is no such text: the server has been restarted since")
    tokens = generation.tokens[int_param(request.query_params, "from") :]
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


LIVE = {"generation": progress}
