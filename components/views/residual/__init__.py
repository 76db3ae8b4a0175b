"""The view *Residual stream*: how long each position's vector is after every layer, and who wrote it."""

from __future__ import annotations

import json
from statistics import median
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.shared import expect, states
from components.shared.answers import (
    Answer,
    carry_links,
    choose_one,
    hold,
    numbers,
    page_file,
    refuse_diverged,
    table_file,
)
from components.shared.browser import BrowserComponent
from components.shared.help import explain
from components.shared.selection import Look
from components.shared.texts import batch_of_one
from components.views.lens import row_names
from llm.interpret.decomposition import Component
from llm.interpret.residual_stream import ResidualStream, residual_stream
from llm.runtime import compute
from llm.runtime.kept import Kept

KEY = "inside-residual"
FIGURES = {"size": "Size after each layer", "share": "Share written by each part", "written": "Length of what it wrote"}
EXPLAINED = ("residual_size", "residual_share")
GROWTH = ["They shrink", "Less than twice as long", "Two to five times", "More than five times"]

component = BrowserComponent("inside_residual", "views/residual/view.js")
_streams: Kept[ResidualStream] = Kept(8)


def show(look: Look) -> None:
    """Sizes or shares as a grid, and one position in full."""
    question = "Every layer adds to each token's vector. How much longer are they after the last layer than at first?"
    if not expect.expect(KEY, question, GROWTH):
        return
    figure = choose_one("inside", "figure", "Show", FIGURES, "size")
    data = data_of(look, figure, st.query_params.get("locked", ""))
    component.mount(key=KEY, data=data, on_locked_change=lambda: hold(KEY))
    if guess := expect.expected(KEY):
        with states.loading("Reading every layer"):
            st.markdown(f"You expected: **{guess.lower()}**. {growth(look)}")
    explain("What do these figures mean?", *EXPLAINED)


def stream_of(look: Look) -> ResidualStream:
    """The residual stream on a text."""
    run = look.run()

    def make() -> ResidualStream:
        stream = compute.run(residual_stream, run.model, batch_of_one(look.tokens))
        refuse_diverged("vectors are no numbers", stream.norm, stream.fraction)
        return stream

    return _streams.get((run.folder.path, run.step, look.tokens), make)


def growth(look: Look) -> str:
    """How much longer vectors become, in a sentence."""
    size = stream_of(look).norm[:, 0].tolist()
    times = median(last / first for first, last in zip(size[0], size[-1], strict=True))
    return f"Measured: in the middle of all positions, a vector becomes **{times:.2f} times** as long."


def titles(parts: list[Component]) -> list[str]:
    """The components' names beside their rows. In a post-norm model a bias follows each sublayer."""
    names: list[str] = []
    for part in parts:
        if part.kind == "norm bias":
            names.append(f"bias after {names[-1]}")
        else:
            kind = "MLP" if part.kind == "mlp" else part.kind
            names.append(kind if part.layer is None else f"{kind} {part.layer}")
    return names


def data_of(look: Look, figure: str, locked: str) -> dict[str, Any]:
    """What the view is told. `locked`: the position that is held."""
    held = numbers(locked, (len(look.tokens),))
    return {
        "title": f"Residual stream · run {look.run_id} · step {look.run().step}",
        "labels": look.labels(),
        "rows": row_names(look),
        "figure": figure,
        "figures": FIGURES,
        "locked": held[0] if held else None,
        "sources": {"residual": look.address("inside/residual")},
        "carry": carry_links(look, "inside", "residual", {"figure": figure, "locked": locked if held else ""}),
    }


def as_json(look: Look) -> dict[str, Any]:
    """Sizes [row][position], shares and lengths [component][position]."""
    stream = stream_of(look)
    return {
        "parts": titles(stream.components),
        "size": _rounded(stream.norm[:, 0].tolist()),
        "share": _rounded(stream.fraction[:, 0].tolist()),
        "written": _rounded(stream.component_norm[:, 0].tolist()),
    }


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[float(f"{value:.5g}") for value in row] for row in rows]


def _csv(look: Look, _: Request) -> Response:
    stream, names, labels = stream_of(look), row_names(look), look.labels()
    rows: list[list[Any]] = [
        ["size", name, position, label, float(stream.norm[row, 0, position])]
        for row, name in enumerate(names) for position, label in enumerate(labels)
    ]  # fmt: skip
    for figure, values in (("share", stream.fraction), ("written", stream.component_norm)):
        rows += [
            [figure, part, position, label, float(values[row, 0, position])]
            for row, part in enumerate(titles(stream.components)) for position, label in enumerate(labels)
        ]  # fmt: skip
    return table_file(f"residual-{look.run_id}", ["figure", "row", "pos", "token", "value"], rows)


def _html(look: Look, request: Request) -> Response:
    figure = request.query_params.get("figure", "size")
    data = data_of(look, figure if figure in FIGURES else "size", request.query_params.get("locked", ""))
    return page_file(look, component, data, {"residual": json.dumps(as_json(look)).encode()}, EXPLAINED)


ANSWERS: dict[str, Answer] = {
    "residual": lambda look, _: JSONResponse(as_json(look)),
    "residual.csv": _csv,
    "residual.html": _html,
}
