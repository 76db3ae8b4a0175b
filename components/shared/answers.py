"""What views of a model's inside share: controls that the address remembers, and answers in the usual forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from torch import Tensor

from components.shared.browser import BrowserComponent
from components.shared.export import csv_text, standalone
from components.shared.selection import Look, forget, look_of, natural

Answer = Callable[[Look, Request], Response]

SHAPELESS = "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]"


def remembered(page: str, name: str, default: str, allowed: Sequence[str]) -> str:
    """The key of the page's control `name`, which begins with what the address says of it, else with `default`."""
    key = f"{page}-{name}"
    if st.session_state.get(key) not in allowed:
        wanted = st.query_params.get(name)
        st.session_state[key] = wanted if wanted in allowed else default
    return key


def choose_one(page: str, name: str, label: str, options: Mapping[str, str], default: str, **more: Any) -> str:
    """One of `options` (by their labels), which the address remembers under `name`."""
    chosen: str = st.segmented_control(
        label, list(options), format_func=options.__getitem__, required=True,
        key=remembered(page, name, default, list(options)), **more,
    )  # fmt: skip
    st.query_params[name] = chosen
    return chosen


def hold(key: str) -> None:
    """What the view `key` holds fast, for the address; it lets go: nothing."""
    locked = st.session_state[key].locked
    if locked:
        st.query_params["locked"] = ".".join(map(str, locked))
    else:
        forget("locked")


def numbers(text: str, below: Sequence[int]) -> list[int] | None:
    """Whole numbers with dots between them, one below each limit, as an address holds them; None for other texts."""
    parts = [natural(part) for part in text.split(".")]
    if len(parts) != len(below):
        return None
    found = [one for one, limit in zip(parts, below, strict=True) if one is not None and one < limit]
    return found if len(found) == len(below) else None


def spelt(text: str) -> str:
    """A token on one line, as carry.js spells it: what has no shape, or would reorder others, is written out."""
    text = text.replace("\n", "↵").replace("\t", "⇥").replace(" ", "·")
    text = re.sub(r"[\x00-\x1f]", lambda sign: chr(0x2400 + ord(sign[0])), text)
    return re.sub(SHAPELESS, lambda sign: f"‹{ord(sign[0]):x}›", text)


def carry_links(look: Look, page: str, view: str, state: Mapping[str, int | str]) -> dict[str, str]:
    """Where the view's data and its stand-alone page are served."""
    return {
        "name": f"{page}-{view}-{look.run_id}",
        "csv": look.address(f"{page}/{view}.csv", **state),
        "html": look.address(f"{page}/{view}.html", **state),
    }


def answered(answers: Mapping[str, Answer], request: Request) -> Response:
    """What the view named in the address answers; bad input becomes one sentence and the status 400."""
    what = answers.get(request.path_params["what"])
    if what is None:
        raise HTTPException(404, "There is no such view")
    try:
        return what(look_of(request), request)
    except (ValueError, OSError) as error:
        raise HTTPException(400, str(error)) from error


def whole(request: Request, name: str, default: int = 0) -> int:
    """A whole number in the address of a request. Raises ValueError for anything else."""
    text = request.query_params.get(name, str(default))
    number = natural(text)
    if number is None:
        raise ValueError(f"{name}={text[:40]} is not possible: it must be a whole number of 0 or more")
    return number


def refuse_diverged(what: str, *values: Tensor) -> None:
    """Raises ValueError where `what` ("guesses are no numbers") holds something else than finite numbers."""
    if not all(one.isfinite().all() for one in values):
        raise ValueError(f"This model's {what}: its weights diverged. Look at an earlier step")


def octets(content: bytes) -> Response:
    """Numbers as they are, for a script that knows what they mean."""
    return Response(content, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def table_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A table to keep, as CSV."""
    return _file(csv_text(header, rows), f"{name}.csv", "text/csv")


def page_file(
    look: Look,
    component: BrowserComponent,
    data: dict[str, Any],
    sources: Mapping[str, bytes],
    explained: Iterable[str],
) -> Response:
    """A page to keep, which holds the whole view. `data` is what the component is told on the app's page."""
    text = look.run().tokenizer.decode(look.tokens)
    name = data["carry"]["name"]  # the other links need the server
    page = standalone(component, data["title"], text, {**data, "carry": {"name": name}}, sources, explained)
    return _file(page, f"{name}.html", "text/html")


def _file(content: str | bytes, name: str, media_type: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
