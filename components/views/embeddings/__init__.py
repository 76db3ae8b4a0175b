"""The view *Embeddings*: the vocabulary as a map, nearest neighbours, and positions, at every snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.shared.browser import BrowserComponent
from components.shared.controls import choose_one
from components.shared.packing import pack
from components.shared.parameters import Query, int_param, parse_natural
from components.shared.positions import positions_data
from components.shared.selection import END, Selection, selection_from_request, text_data
from components.shared.session import Address
from components.shared.texts import token_texts
from components.shared.view import Question, Table, View
from components.views.embeddings.explanations import COSINE, DISTANCE_CURVES, EMBEDDING_MAP
from llm.interpret.nearest_tokens import nearest_tokens
from llm.interpret.neighbour_kinds import neighbour_kinds
from llm.interpret.positions import distance_curves, position_cosines
from llm.interpret.principal_components import EmbeddingMap, embedding_axes, embedding_map
from llm.layers.position import REGISTRY as POSITIONS
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache
from llm.tokenizers.kinds import KINDS, token_kind

MAPS = {"2": "2D map", "3": "3D map", "positions": "Positions"}
COLOURS = {"kind": "Kind", "frequency": "Frequency"}
NEAR = 10  # neighbours of a token
MEASURED = 512  # the most frequent tokens, whose neighbours' kinds are compared with their own
MOST_EXPORTED = 4096  # the largest vocabulary whose neighbours are all written into an exported page

_axes: ResultCache[Tensor] = ResultCache(16)
_maps: ResultCache[dict[str, NDArray[np.float32]]] = ResultCache(64)
_tokens: ResultCache[dict[str, Any]] = ResultCache(4)
_same_kind: ResultCache[dict[str, float]] = ResultCache(32)


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose the map of tokens or of positions, and what the colour of a token means."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = choose_one("inside", Address.MAP, "Show", MAPS, "2")
        if kind != "positions":
            colour = choose_one("inside", Address.POINTS, "Colour and shape by", COLOURS, "kind")
        else:
            colour = st.query_params.setdefault(Address.POINTS, "kind")
    query: dict[str, str] = {Address.MAP: kind, Address.POINTS: colour}
    for name in (Address.CHOSEN, Address.AT):
        if parse_natural(value := st.query_params.get(name, "")) is not None:
            query[name] = value
    return selection, query


def _remember_token(token: int | None) -> None:
    """Store the token selected on the map."""
    if token is not None:
        st.query_params[Address.CHOSEN] = str(token)


def _remember_step(step: int | None) -> None:
    """Store the step at which the slider was released."""
    if step is not None:
        st.query_params[Address.AT] = str(step)


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script."""
    run = selection.run()
    kind, colour = query.get(Address.MAP, "2"), query.get(Address.POINTS, "kind")
    token, at = (int_param(query, name) if name in query else None for name in (Address.CHOSEN, Address.AT))
    weights = replace(selection, tokens=selection.tokens[:1], own=0)  # this view does not depend on the text
    snapshots = {step: weights.at(step) for step in run.folder.snapshots()} | {run.step: weights}
    axes = END if selection.step is None else str(selection.step)
    sources = {
        "tokens": weights.address("inside/embeddings-tokens"),
        "alike": weights.address("inside/embeddings-alike"),
    }
    for step, snapshot in snapshots.items():
        sources[f"map/{step}"] = snapshot.address("inside/embeddings", axes=axes)
        sources[f"near/{step}"] = snapshot.address("inside/embeddings-near")
        sources[f"positions/{step}"] = snapshot.address("inside/embeddings-positions")
    return {
        "title": selection.title("Embeddings"),
        "map": kind if kind in MAPS else "2",
        "colour": colour if colour in COLOURS else "kind",
        "kinds": KINDS,
        "vocabulary": run.config.d_vocab,
        "positions": positions_data(run.config),
        "context": run.config.n_ctx,
        "axesOf": run.step,
        "steps": sorted(snapshots),
        "at": at if at in snapshots else run.step,
        "token": token if token is not None and token < run.config.d_vocab else None,
        "sources": sources,
    }


def axes_of(selection: Selection) -> Tensor:
    """The three principal axes of a step; fewer if d_model is smaller."""
    run = selection.run()
    count = min(3, run.config.d_model)
    return _axes.get((run.folder.path, run.step), lambda: compute.run(embedding_axes, run.model, count))


def map_of(selection: Selection, axes_step: str) -> dict[str, NDArray[np.float32]]:
    """Coordinates `points` [token, 3] on another step's axes, and the fraction of variance along each, `explained`."""
    run, axes_selection = selection.run(), selection.at(None if axes_step == END else int(axes_step))

    def compute_value() -> dict[str, NDArray[np.float32]]:
        axes = axes_of(axes_selection)
        result: EmbeddingMap = compute.run(embedding_map, run.model, 3, axes)
        arrays = {"points": result.coordinates, "explained": result.explained_variance}
        padding = (0, 3 - axes.shape[1])
        return {name: torch.nn.functional.pad(values, padding).float().numpy() for name, values in arrays.items()}

    return _maps.get((run.folder.path, run.step, axes_selection.run().step), compute_value)


def tokens_of(selection: Selection) -> dict[str, Any]:
    """Each token's text, kind and count in the training part of the run's text."""
    run = selection.run()

    def compute_value() -> dict[str, Any]:
        vocabulary = range(run.config.d_vocab)
        counts = np.bincount(text_data(selection).counted.numpy(), minlength=run.config.d_vocab)
        kinds = [KINDS.index(token_kind(run.tokenizer.token_bytes(token))) for token in vocabulary]
        return {"texts": token_texts(run.tokenizer, vocabulary), "kinds": kinds, "counts": counts.tolist()}

    return _tokens.get(run.folder.path, compute_value)


def near_of(selection: Selection, token: int) -> list[list[float]]:
    """The nearest other tokens and their cosines."""
    result = compute.run(nearest_tokens, selection.run().model, token, NEAR)
    return [list(pair) for pair in zip(result.tokens.tolist(), result.cosines.tolist(), strict=True)]


def same_kind_of(selection: Selection) -> dict[str, float]:
    """How often a token's nearest neighbour is of its kind, over the most frequent tokens; and by chance."""
    run = selection.run()

    def compute_value() -> dict[str, float]:
        tokens = tokens_of(selection)
        kinds = tokens["kinds"]
        often = np.argsort(-np.array(tokens["counts"]), kind="stable")[:MEASURED].tolist()
        result = compute.finish(neighbour_kinds.steps(run.model, kinds, often))
        return {"same": result.same, "chance": result.chance, "tokens": len(often)}

    return _same_kind.get((run.folder.path, run.step), compute_value)


def positions_of(selection: Selection) -> Tensor:
    """Cosines [pos, pos] of position vectors; by distance [curve, distance]; empty for a model without positions."""
    run = selection.run()
    if POSITIONS[run.config.positional].acts_by_distance:
        return compute.run(distance_curves, run.model)
    return compute.run(position_cosines, run.model)


def _map(selection: Selection, query: Query) -> bytes:
    axes = query.get("axes", END)
    if axes != END:
        int_param(query, "axes")
    return pack(map_of(selection, axes))


def _positions(selection: Selection, query: Query) -> bytes:
    return pack({"curves": positions_of(selection).float().numpy()})


def table(selection: Selection, query: Query) -> Table:
    """A row for each token, or for each pair of positions."""
    if query.get(Address.MAP) == "positions":
        curves = positions_of(selection)
        by_distance = POSITIONS[selection.run().config.positional].acts_by_distance
        names = ["curve", "distance", "score"] if by_distance else ["pos", "other_pos", "cosine"]
        cells = ([first, second, float(value)] for first, row in enumerate(curves) for second, value in enumerate(row))
        return Table(f"positions-{selection.run_id}", names, cells)
    tokens, axes = tokens_of(selection), END if selection.step is None else str(selection.step)
    coordinates = map_of(selection, axes)["points"]
    columns = zip(tokens["texts"], tokens["kinds"], tokens["counts"], coordinates.tolist(), strict=True)
    rows = ([token, text, KINDS[kind], count, *point] for token, (text, kind, count, point) in enumerate(columns))
    return Table(f"embeddings-{selection.run_id}", ["id", "token", "kind", "count", "pc1", "pc2", "pc3"], rows)


def sources(selection: Selection, query: Query) -> dict[str, Any]:
    """Contents of an exported page: every snapshot's map, and the neighbours at the selected step."""
    run, told = selection.run(), data(selection, query)
    axes = END if selection.step is None else str(selection.step)
    held: dict[str, Any] = {"tokens": tokens_of(selection), "alike": same_kind_of(selection)}
    for step in told["steps"]:
        snapshot = selection if step == run.step else selection.at(step)
        held[f"map/{step}"] = pack(map_of(snapshot, axes))
        if POSITIONS[run.config.positional].acts_on != "nothing":
            held[f"positions/{step}"] = _positions(snapshot, query)
    chosen = [] if told["token"] is None else [told["token"]]
    tokens = range(run.config.d_vocab) if run.config.d_vocab <= MOST_EXPORTED else chosen
    held[f"near/{run.step}"] = {str(token): near_of(selection, token) for token in tokens}
    return held


VIEW = View(
    page="inside",
    name="embeddings",
    label="Embeddings",
    order=5,
    subject=selection_from_request,
    question=Question(
        "Take a token's nearest neighbour in the embedding. How often are both of the same kind, such as two numbers?",
        ("No more often than by chance", "Somewhat more often", "Much more often", "Nearly always"),
    ),
    component=BrowserComponent("inside_embeddings", "views/embeddings/view.js"),
    choose=choose,
    data=data,
    events={"token": _remember_token, "at": _remember_step},
    measured=None,
    explained=(EMBEDDING_MAP, COSINE, DISTANCE_CURVES),
    footer=None,
    routes={
        "embeddings": _map,
        "embeddings-tokens": lambda selection, query: tokens_of(selection),
        "embeddings-near": lambda selection, query: near_of(selection, int_param(query, Address.TOKEN)),
        "embeddings-alike": lambda selection, query: same_kind_of(selection),
        "embeddings-positions": _positions,
    },
    table=table,
    sources=sources,
    reads_prompt=False,
)
