"""The view *Embeddings*: the vocabulary as a map, its neighbours, and positions; all of it through training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from torch import Tensor

from components.attention import BY_DISTANCE
from components.shared import expect
from components.shared.answers import Answer, carry_links, choose_one, octets, page_file, table_file, whole
from components.shared.browser import BrowserComponent
from components.shared.help import explain
from components.shared.selection import END, Look, natural, text_data
from components.shared.texts import token_texts
from llm.interpret.embeddings import (
    EmbeddingMap,
    distance_curves,
    embedding_axes,
    embedding_map,
    nearest_tokens,
    position_cosines,
)
from llm.runtime import compute
from llm.runtime.kept import Kept
from llm.tokenizers.kinds import KINDS, token_kind

KEY = "inside-embeddings"
MAPS = {"2": "Flat map", "3": "Map in space", "positions": "Positions"}
COLOURS = {"kind": "Kind", "frequency": "How often it occurs"}
NEAR = 10  # neighbours of a token
MEASURED = 512  # tokens, the most frequent ones, whose neighbours are asked for their kind
MOST_KEPT = 4096  # tokens of a vocabulary whose neighbours are all put into a page to keep
EXPLAINED = ("embedding_map", "cosine", "distance")

component = BrowserComponent("inside_embeddings", "views/embeddings/view.js")
_axes: Kept[Tensor] = Kept(16)
_maps: Kept[bytes] = Kept(64)
_tokens: Kept[dict[str, Any]] = Kept(4)
_alike: Kept[dict[str, float]] = Kept(32)


def show(look: Look) -> None:
    """The map of tokens, or of positions."""
    question = "Take a token's nearest neighbour in the embedding. How often are both of one kind, say two numbers?"
    if not expect.expect(KEY, question, ["No more than by chance", "Somewhat more", "Much more", "Nearly always"]):
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = choose_one("inside", "map", "Show", MAPS, "2")
        if kind != "positions":
            colour = choose_one("inside", "points", "Colour and shape by", COLOURS, "kind")
        else:
            colour = st.query_params.setdefault("points", "kind")
    chosen, at = (natural(st.query_params.get(name, "")) for name in ("chosen", "at"))
    data = data_of(look, kind, colour, chosen, at, expect.expected(KEY))
    component.mount(key=KEY, data=data, on_token_change=_remember_token, on_at_change=_remember_step)
    explain("What do these figures mean?", *EXPLAINED)


def _remember_token() -> None:
    """A person chose a token of the map."""
    if st.session_state[KEY].token is not None:
        st.query_params["chosen"] = str(st.session_state[KEY].token)


def _remember_step() -> None:
    """A person let the slider go."""
    if st.session_state[KEY]["at"] is not None:
        st.query_params["at"] = str(st.session_state[KEY]["at"])


def data_of(look: Look, kind: str, colour: str, token: int | None, at: int | None, guess: str) -> dict[str, Any]:
    """What the view is told. `token`: the chosen one; `at`: the snapshot that the slider stands at."""
    run = look.run()
    weights = replace(look, tokens=look.tokens[:1], own=0)  # which text is read makes no difference here
    looks = {step: weights.at(step) for step in run.folder.snapshots()} | {run.step: weights}
    steps = sorted(looks)
    axes = END if look.step is None else str(look.step)
    token = token if token is not None and token < run.config.d_vocab else None
    at = at if at in looks else run.step
    state: dict[str, int | str] = {"map": kind, "points": colour, "at": at}
    if token is not None:
        state["chosen"] = token
    sources = {
        "tokens": weights.address("inside/embeddings-tokens"),
        "alike": weights.address("inside/embeddings-alike"),
    }
    for step, there in looks.items():
        sources[f"map/{step}"] = there.address("inside/embeddings", axes=axes)
        sources[f"near/{step}"] = there.address("inside/embeddings-near")
        sources[f"positions/{step}"] = there.address("inside/embeddings-positions")
    return {
        "title": f"Embeddings · run {look.run_id} · step {run.step}",
        "map": kind,
        "colour": colour if colour in COLOURS else "kind",
        "kinds": KINDS,
        "vocabulary": run.config.d_vocab,
        "positional": run.config.positional,
        "context": run.config.n_ctx,
        "axesOf": run.step,
        "steps": steps,
        "at": at,
        "token": token,
        "guess": guess,
        "sources": sources,
        "carry": carry_links(look, "inside", "embeddings", state),
    }


def axes_of(look: Look) -> Tensor:
    """The three axes of a step; fewer where the model is narrower."""
    run = look.run()
    count = min(3, run.config.d_model)
    return _axes.get((run.folder.path, run.step), lambda: compute.run(embedding_axes, run.model, count))


def map_bytes(look: Look, axes_step: str) -> bytes:
    """Coordinates [token, 3] on another step's axes, then the share of variance along each, in float32."""
    run = look.run()

    def make() -> bytes:
        axes = axes_of(look.at(None if axes_step == END else int(axes_step)))
        found: EmbeddingMap = compute.run(embedding_map, run.model, 3, axes)
        padding = (0, 3 - axes.shape[1])
        numbers = [torch.nn.functional.pad(one, padding) for one in (found.coordinates, found.explained_variance)]
        return b"".join(one.numpy().astype("<f4").tobytes() for one in numbers)

    return _maps.get((run.folder.path, run.step, axes_step), make)


def tokens_of(look: Look) -> dict[str, Any]:
    """Each token's text, kind and count in the training part of the run's text."""
    run = look.run()

    def make() -> dict[str, Any]:
        vocabulary = range(run.config.d_vocab)
        counts = np.bincount(text_data(look).train.numpy(), minlength=run.config.d_vocab)
        kinds = [KINDS.index(token_kind(run.tokenizer.token_bytes(token))) for token in vocabulary]
        return {"texts": token_texts(run.tokenizer, vocabulary), "kinds": kinds, "counts": counts.tolist()}

    return _tokens.get(run.folder.path, make)


def near_of(look: Look, token: int) -> list[list[float]]:
    """The nearest other tokens and their cosines."""
    return _near(look, token, NEAR)


def _near(look: Look, token: int, count: int) -> list[list[float]]:
    found = compute.run(nearest_tokens, look.run().model, token, count)
    return [list(both) for both in zip(found.tokens.tolist(), found.cosines.tolist(), strict=True)]


def alike_of(look: Look) -> dict[str, float]:
    """How often a token's nearest neighbour is of its kind, over the most frequent tokens; and by chance."""
    run = look.run()

    def make() -> dict[str, float]:
        found = tokens_of(look)
        kinds, counts = np.array(found["kinds"]), np.array(found["counts"])
        often = np.argsort(-counts, kind="stable")[:MEASURED]
        same = sum(
            1 for token, neighbour in compute.iterate(_neighbours(look, often)) if kinds[token] == kinds[neighbour]
        )
        others = max(1, len(kinds) - 1)
        chance = float(np.mean([(np.sum(kinds == kinds[token]) - 1) / others for token in often]))
        return {"same": same / len(often), "chance": chance, "tokens": len(often)}

    return _alike.get((run.folder.path, run.step), make)


def _neighbours(look: Look, tokens: np.ndarray) -> Iterator[tuple[int, int]]:
    model = look.run().model
    for token in tokens.tolist():
        found = nearest_tokens(model, token, 1).tokens
        if len(found):
            yield token, int(found[0])


def positions_of(look: Look) -> Tensor:
    """Cosines [pos, pos] of position vectors; by distance [curve, distance]; nothing where positions are not told."""
    run = look.run()
    if run.config.positional in BY_DISTANCE:
        return compute.run(distance_curves, run.model)
    return compute.run(position_cosines, run.model)


def _map(look: Look, request: Request) -> Response:
    axes = request.query_params.get("axes", END)
    if axes != END:
        whole(request, "axes")
    return octets(map_bytes(look, axes))


def _positions(look: Look, _: Request) -> Response:
    return octets(_floats(positions_of(look)))


def _floats(tensor: Tensor) -> bytes:
    return tensor.numpy().astype("<f4").tobytes()


def _csv(look: Look, request: Request) -> Response:
    if request.query_params.get("map") == "positions":
        curves = positions_of(look)
        by_distance = look.run().config.positional in BY_DISTANCE
        names = ["curve", "distance", "score"] if by_distance else ["pos", "other_pos", "cosine"]
        rows = ([one, other, float(value)] for one, row in enumerate(curves) for other, value in enumerate(row))
        return table_file(f"positions-{look.run_id}", names, rows)
    found = tokens_of(look)
    numbers = np.frombuffer(map_bytes(look, END if look.step is None else str(look.step)), "<f4")[:-3].reshape(-1, 3)
    table = zip(found["texts"], found["kinds"], found["counts"], numbers.tolist(), strict=True)
    rows = ([token, text, KINDS[kind], count, *place] for token, (text, kind, count, place) in enumerate(table))
    return table_file(f"embeddings-{look.run_id}", ["id", "token", "kind", "count", "pc1", "pc2", "pc3"], rows)


def _html(look: Look, request: Request) -> Response:
    query = request.query_params
    kind = query.get("map", "2")
    token = whole(request, "chosen") if "chosen" in query else None
    at = whole(request, "at") if "at" in query else None
    data = data_of(look, kind if kind in MAPS else "2", query.get("points", "kind"), token, at, "")
    axes = END if look.step is None else str(look.step)
    sources = {
        "tokens": json.dumps(tokens_of(look)).encode(),
        "alike": json.dumps(alike_of(look)).encode(),
    }
    for step in data["steps"]:
        there = look if step == look.run().step else look.at(step)
        sources[f"map/{step}"] = map_bytes(there, axes)
        if look.run().config.positional != "none":
            sources[f"positions/{step}"] = _floats(positions_of(there))
    size = look.run().config.d_vocab
    kept = range(size) if size <= MOST_KEPT else [token for token in [data["token"]] if token is not None]
    near = {str(one): near_of(look, one) for one in kept}
    sources[f"near/{look.run().step}"] = json.dumps(near).encode()
    return page_file(look, component, data | {"kept": True}, sources, EXPLAINED)


ANSWERS: dict[str, Answer] = {
    "embeddings": _map,
    "embeddings-tokens": lambda look, _: JSONResponse(tokens_of(look)),
    "embeddings-near": lambda look, request: JSONResponse(near_of(look, whole(request, "token"))),
    "embeddings-alike": lambda look, _: JSONResponse(alike_of(look)),
    "embeddings-positions": _positions,
    "embeddings.csv": _csv,
    "embeddings.html": _html,
}
