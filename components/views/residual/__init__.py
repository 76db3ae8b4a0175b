"""The view *Residual stream*: the norm of each position's vector after every layer, and what each part wrote to it."""

from __future__ import annotations

from statistics import median
from typing import Any

import streamlit as st

from components.shared.browser import BrowserComponent
from components.shared.controls import choose_one, remember_locked
from components.shared.lens_figures import row_names
from components.shared.parameters import Query, parse_indices
from components.shared.selection import Selection, selection_from_request
from components.shared.session import Address
from components.shared.texts import batch_of_one
from components.shared.view import Question, Table, View, require_finite
from components.views.residual.explanations import FRACTION_WRITTEN, RESIDUAL_NORM
from llm.interpret.decomposition import Component
from llm.interpret.residual_stream import ResidualStream, residual_stream
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

FIGURES = {
    "norm": "Norm after each layer",
    "fraction": "Fraction written by each part",
    "component_norm": "Norm of what each part wrote",
}

_streams: ResultCache[ResidualStream] = ResultCache(8)


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose the figure that the grid shows."""
    figure = choose_one("inside", Address.FIGURE, "Show", FIGURES, "norm")
    return selection, {Address.FIGURE: figure, Address.LOCKED: st.query_params.get(Address.LOCKED, "")}


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script. `locked`: the selected position."""
    figure = query.get(Address.FIGURE, "norm")
    locked = parse_indices(query.get(Address.LOCKED, ""), (len(selection.tokens),))
    return {
        "title": selection.title("Residual stream"),
        "labels": selection.labels(),
        "rows": row_names(selection),
        "figure": figure if figure in FIGURES else "norm",
        "figures": FIGURES,
        "locked": locked[0] if locked else None,
        "sources": {"residual": selection.address("inside/residual")},
    }


def measured(selection: Selection, query: Query) -> str:
    """The factor by which vectors grow."""
    size = stream_of(selection).norm[:, 0].tolist()
    factor = median(last / first for first, last in zip(size[0], size[-1], strict=True))
    return f"Measured: the median over all positions is **{factor:.2f} times** the norm after the embedding."


def stream_of(selection: Selection) -> ResidualStream:
    """The residual stream on a text."""
    run = selection.run()

    def compute_stream() -> ResidualStream:
        stream = compute.run(residual_stream, run.model, batch_of_one(selection.tokens))
        require_finite("This model's vectors", stream.norm, stream.fraction)
        return stream

    return _streams.get((run.folder.path, run.step, selection.tokens), compute_stream)


def part_names(parts: list[Component]) -> list[str]:
    """The components' names beside their rows. In a post-norm model a bias follows each sublayer."""
    names: list[str] = []
    for part in parts:
        if part.kind == "norm bias":
            names.append(f"bias after {names[-1]}")
        else:
            kind = "MLP" if part.kind == "mlp" else part.kind
            names.append(kind if part.layer is None else f"{kind} {part.layer}")
    return names


def stream_json(selection: Selection) -> dict[str, Any]:
    """Norms [row][position]; fractions and norms of what each part wrote [component][position]."""
    stream = stream_of(selection)
    return {
        "parts": part_names(stream.components),
        "norm": _rounded(stream.norm[:, 0].tolist()),
        "fraction": _rounded(stream.fraction[:, 0].tolist()),
        "component_norm": _rounded(stream.component_norm[:, 0].tolist()),
    }


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[float(f"{value:.5g}") for value in row] for row in rows]


def table(selection: Selection, query: Query) -> Table:
    """A row for each value of the three figures."""
    stream, labels = stream_of(selection), selection.labels()
    parts = part_names(stream.components)
    rows = [
        [figure, name, position, label, float(values[row, 0, position])]
        for figure, names, values in (
            ("norm", row_names(selection), stream.norm),
            ("fraction", parts, stream.fraction),
            ("component_norm", parts, stream.component_norm),
        )
        for row, name in enumerate(names)
        for position, label in enumerate(labels)
    ]
    return Table(f"residual-{selection.run_id}", ["figure", "row", "pos", "token", "value"], rows)


VIEW = View(
    page="inside",
    name="residual",
    label="Residual stream",
    order=7,
    subject=selection_from_request,
    question=Question(
        "Every layer adds to each token's vector. How much longer is a vector after the last layer than at the start?",
        ("It gets shorter", "Less than twice as long", "Two to five times", "More than five times"),
    ),
    component=BrowserComponent("inside_residual", "views/residual/view.js"),
    choose=choose,
    data=data,
    events={"locked": remember_locked},
    measured=measured,
    explained=(RESIDUAL_NORM, FRACTION_WRITTEN),
    footer=None,
    routes={"residual": lambda selection, query: stream_json(selection)},
    table=table,
    sources=lambda selection, query: {"residual": stream_json(selection)},
)
