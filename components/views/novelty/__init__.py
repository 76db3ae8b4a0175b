"""A generated text, each part marked by how much of it stands word for word in the training text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from components.shared.browser import BrowserComponent
from components.shared.parameters import int_param
from llm.background.novelty import Found, Search, search
from llm.data.matches import KNOWN, kind, mean_share

PASSAGES = 3  # of a match, shown
SURROUNDINGS = 160  # characters before and after each
POINTS = 50  # of the curves, about

_novelty = BrowserComponent("novelty", "views/novelty/view.js")


def novelty(generation_id: str, prompt: str, key: str) -> None:
    """The text with its matches in the training text, once it is written; a click on a part shows where it stands."""
    _novelty.mount(key=key, data={"url": f"/live/novelty/{generation_id}", "prompt": prompt})


def progress(request: Request) -> JSONResponse:
    """How far the search is, and in the end what it found."""
    asked = _search(request)
    return JSONResponse(
        {
            "state": asked.state,
            "progress": asked.progress,
            "message": asked.message,
            "found": _described(asked.found) if asked.found else None,
            "through": list(zip(*asked.through, strict=True)),
        }
    )


def passages(request: Request) -> JSONResponse:
    """Where the characters `start` to `end` of the text stand in the training text, with what is around them."""
    found = _search(request).found
    start, end = int_param(request.query_params, "start"), int_param(request.query_params, "end")
    if found is None:
        raise ValueError("The search in the training text has not ended: ask again later")
    if not start < end <= len(found.text):
        raise ValueError(f"start and end must name a part of the {len(found.text)} characters, got {start} and {end}")
    wanted, train = found.text[start:end], found.training.text
    places = found.training.occurrences(wanted)
    return JSONResponse(
        {
            "count": len(places),
            "match": wanted,
            "passages": [_around(train, place, place + len(wanted)) for place in places[:PASSAGES].tolist()],
        }
    )


def _around(text: str, start: int, end: int) -> tuple[str, str]:
    """What stands before `start` and after `end`, from the beginning of a word to the end of one."""
    before, after = text[max(0, start - SURROUNDINGS) : start], text[end:][:SURROUNDINGS]
    if start > SURROUNDINGS and not text[start - SURROUNDINGS - 1].isspace():
        before = re.sub(r"^\S+\s", "", before)
    if end + SURROUNDINGS < len(text) and not text[end + SURROUNDINGS].isspace():
        after = re.sub(r"\s\S+\Z", "", after)
    return before, after


def _search(request: Request) -> Search:
    asked = search(request.path_params["key"])
    if asked is None:
        raise HTTPException(404, "There is no such text: the server has been restarted since")
    return asked


def _described(found: Found) -> dict[str, Any]:
    """What the script shows: the spans, the share of each kind and the shares by length, beside held-out text."""
    longest = max([1, *(int(text.length.max(initial=0)) for text in (found.matches, *found.held_out))])
    lengths = sorted({*np.geomspace(1, longest, POINTS).round().astype(int).tolist(), *_powers_of_two(longest)})
    known, copied = (
        (found.matches.share(least), mean_share(found.held_out, least)) for least in (KNOWN, found.copied_from)
    )
    return {
        "spans": [
            [found.text[span.start : span.end], span.match_start, span.match_end,
             kind(span.match_end - span.match_start, found.copied_from)]
            for span in found.matches.spans()
        ],
        "known": KNOWN,
        "copied_from": found.copied_from,
        "shares": {
            "copied": copied,
            "recombined": [more - most for more, most in zip(known, copied, strict=True)],
            "new": [1 - share for share in known],
        },
        "lengths": lengths,
        "curve": [found.matches.share(length) for length in lengths],
        "control": [mean_share(found.held_out, length) for length in lengths],
    }  # fmt: skip


def _powers_of_two(most: int) -> list[int]:
    return [2**power for power in range(most.bit_length())]


LIVE = {"novelty": progress, "novelty/passages": passages}
