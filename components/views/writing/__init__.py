"""A text as a model writes it, token by token, and how each token was chosen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import streamlit as st
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.shared.browser import BrowserComponent
from components.shared.export import file_response
from components.shared.field_names import PLAIN_NAMES
from components.shared.parameters import int_param
from components.shared.text_link import link
from llm.background.generations import Generation, branches, fork, get
from llm.config import SamplingConfig

_writing = BrowserComponent("writing", "views/writing/view.js")


def writing(text: Generation, waiting: bool, key: str, show: Callable[[Generation], None] | None = None) -> None:
    """A text as it is written, with a button that stops it; each token shows which others were likely.

    If the page can `show` another text in place of this one, a click on one of those goes on from it, and the branches
    that came of this are listed. At the end of the text the page is rerun only if something on it is `waiting` for
    that: each rerun slows down a training run.
    """

    def go_on() -> None:
        choice = st.session_state[key].go_on
        if show is not None and choice["position"] < len(text.tokens):
            show(fork(text, int(choice["position"]), int(choice["token"])))

    def open_branch() -> None:
        branch = get(str(st.session_state[key].open))
        if show is not None and branch is not None:
            show(branch)

    _writing.mount(
        key=key,
        data={
            "url": f"/live/generation/{text.id}", "prompt": text.prompt, "waiting": waiting, "forks": show is not None,
        },
        on_ended_change=lambda: None,
        on_stop_change=text.stop,
        on_go_on_change=go_on,
        on_open_change=open_branch,
    )  # fmt: skip


def progress(request: Request) -> JSONResponse:
    """The state of a text, and its tokens from index `from` on."""
    generation = _generation(request)
    tokens = generation.tokens[int_param(request.query_params, "from") :]
    return JSONResponse(
        {
            "state": generation.state,
            "message": generation.message,
            "tokens": [[token.text, token.model_probability] for token in tokens],
            "choices": list(generation.choices),
            "link": link(generation),
            "branches": [_branch(depth, text) for depth, text in branches(generation)],
        }
    )


def _branch(depth: int, text: Generation) -> dict[str, Any]:
    """A text in the tree of branches, named by its last choice."""
    last = max(text.choices, default=None)
    drawn = text.tokens[last] if last is not None and last < len(text.tokens) else None  # None: not written so far
    names = {other.id: other.text for other in drawn.alternatives} if drawn else {}
    return {"id": text.id, "depth": depth, "position": last, "token": names.get(drawn.id) if drawn else None}


def token(request: Request) -> JSONResponse:
    """How the token at `position` of the new text was chosen."""
    generation = _generation(request)
    position, written = int_param(request.query_params, "position"), len(generation.tokens)
    if position >= written:
        raise ValueError(f"position must be below the {written} tokens of the text, got {position}")
    found = generation.tokens[position].as_json()
    found["stages"] = [_named(stage, generation.config) for stage in found["stages"]]
    return JSONResponse(found | {"position": position})


def _named(stage: dict[str, Any], config: SamplingConfig) -> dict[str, Any]:
    """A stage with the plain name and the value of its setting."""
    name = stage["filter"]
    if name == "model":
        return stage | {"name": "The model", "value": ""}
    return stage | {"name": PLAIN_NAMES["SamplingConfig"][name], "value": f"{getattr(config, name):g}"}


def text_file(request: Request) -> Response:
    """The text so far, as a file."""
    generation = _generation(request)
    return file_response(generation.text, f"{_file_name(generation)}.txt", "text/plain")


def json_file(request: Request) -> Response:
    """The text with every setting and every token, as a file."""
    generation = _generation(request)
    record = json.dumps(generation.record(), ensure_ascii=False, indent=1)
    return file_response(record, f"{_file_name(generation)}.json", "application/json")


def _file_name(text: Generation) -> str:
    return f"{text.path.name}-step-{text.step}-seed-{text.config.seed}"


def _generation(request: Request) -> Generation:
    generation = get(request.path_params["key"])
    if generation is None:
        raise HTTPException(404, "There is no such text: the server has been restarted since")
    return generation


LIVE = {
    "generation": progress,
    "generation/token": token,
    "generation/text": text_file,
    "generation/json": json_file,
}
