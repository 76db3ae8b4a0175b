"""What the views of attention fetch: patterns in 8 bits, one head in full, scores, and files to keep.

All torch work goes to the compute thread layer by layer, so that a training run goes on between two layers.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components import attention
from components.shared.answers import Answer, answered, numbers, octets, page_file, table_file, whole
from components.shared.selection import Look, text_data
from components.shared.texts import batch_of_one
from llm.checkpoints import RUN_ID
from llm.interpret.attention_patterns import attention_layers, pattern_thumbnails
from llm.interpret.head_arithmetic import HeadArithmetic, head_arithmetic
from llm.interpret.head_scores import HeadScores, head_label, head_scores
from llm.interpret.loss_by_position import in_context_score, loss_by_position
from llm.runtime import compute
from llm.runtime.kept import Kept

SCORES = ("previous", "duplicate", "induction", "first", "entropy")
HEAD_SCORES = ("previous_score", "duplicate_score", "induction_score", "first_score", "entropy")
ARRAYS = (
    "pattern", "weighted", "pattern_rest", "weighted_rest", "scores", "content", "position", "query", "key", "highest",
    "total", "by_distance",
)  # fmt: skip

WINDOWS = 32  # of held-out text, on which the loss by position is measured

_scores: Kept[dict[str, Any]] = Kept(200)
_contexts: Kept[dict[str, Any]] = Kept(200)
_heads: Kept[HeadArithmetic] = Kept(8)


def answer(request: Request) -> Response:
    """The answer to /look/{run_id}/{step}/attention/{what}."""
    return answered(ANSWERS, request)


def grid_bytes(look: Look) -> bytes:
    """Every head's small pattern, one byte a cell: [layer, head, query_cell, key_cell]."""
    return b"".join(compute.iterate(_small_layers(look)))


def _small_layers(look: Look) -> Iterator[bytes]:
    for layer in attention_layers(look.run().model, batch_of_one(look.tokens)):
        yield pattern_thumbnails(layer.pattern[0]).numpy().tobytes()


def scores_of(look: Look) -> dict[str, Any]:
    """Every head's scores, [layer][head], on random tokens repeated twice, and the name that they earn."""
    key = (look.run().folder.path, look.run().step)

    def make() -> dict[str, Any]:
        return _as_json(compute.finish(head_scores.steps(look.run().model, text_data(look).train)))

    return _scores.get(key, make)


def _as_json(scores: HeadScores) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(scores, name).tolist() for name in SCORES}
    if not all(math.isfinite(score) for row in found["entropy"] for score in row):
        raise ValueError("This model's attention is no number: its weights diverged. Look at an earlier step")
    found["label"] = [
        [head_label(*one) for one in zip(*(found[name][layer] for name in SCORES[:4]), strict=True)]
        for layer in range(len(scores.entropy))
    ]
    found["entropy_maximum"] = scores.entropy_maximum
    return found


def context_of(look: Look) -> dict[str, Any]:
    """Validation loss, loss by position, and the in-context learning score, on the fixed validation windows."""
    run = look.run()

    def make() -> dict[str, Any]:
        inputs, targets = compute.run(text_data(look).evaluation_windows, WINDOWS)
        losses = compute.finish(loss_by_position.steps(run.model, inputs, targets))
        score = in_context_score(losses)
        return {
            "loss": float(losses.mean()),
            "by_position": losses.tolist(),
            "score": score.score,
            "published": score.published,
            "windows": len(inputs),
        }

    return _contexts.get((run.folder.path, run.step), make)


def head_of(look: Look, layer: int, head: int) -> HeadArithmetic:
    """One head of one layer, walked to layer by layer. Raises ValueError for one that does not exist."""
    config = look.run().config
    if not 0 <= layer < config.n_layers:
        raise ValueError(f"layer {layer} does not exist: this model's layers are 0 to {config.n_layers - 1}")

    run = look.run()

    def make() -> HeadArithmetic:
        walk = compute.iterate(attention_layers(run.model, batch_of_one(look.tokens)))
        return compute.run(head_arithmetic, next(itertools.islice(walk, layer, None)), head)

    return _heads.get((run.folder.path, run.step, look.tokens, layer, head), make)


def last_look(look: Look, layer: int, head: int) -> str:
    """Where the last token looks most, in a sentence. Tokens are named by their place, which is never markup."""
    row = head_of(look, layer, head).pattern[-1]
    key, last = int(row.argmax()), len(row) - 1
    where = {last: "to itself", last - 1: "to the token just before", 0: "to the first token"}
    place = where.get(key, f"to position {key}, {last - key} tokens back")
    return f"Measured: the greatest share, {row[key]:.1%}, goes **{place}**."


def head_bytes(view: HeadArithmetic) -> bytes:
    """The arrays of a head, one after the other as float32, in the order of `ARRAYS`."""
    return b"".join(getattr(view, name).astype("<f4").tobytes() for name in ARRAYS)


def _grid(look: Look, _: Request) -> Response:
    return octets(grid_bytes(look))


def _scores_answer(look: Look, _: Request) -> Response:
    return JSONResponse(scores_of(look))


def _context(look: Look, _: Request) -> Response:
    return JSONResponse(context_of(look))


def _head(look: Look, request: Request) -> Response:
    return octets(head_bytes(head_of(look, whole(request, "layer"), whole(request, "head"))))


def _heads_csv(look: Look, _: Request) -> Response:
    scores, group = scores_of(look), look.run().config.n_heads // look.run().config.n_kv_heads
    rows = [
        [layer, head, head // group, (scores["label"][layer][head] or [""])[0],
         *(scores[name][layer][head] for name in SCORES), scores["entropy_maximum"]]
        for layer in range(len(scores["label"])) for head in range(len(scores["label"][layer]))
    ]  # fmt: skip
    return table_file("heads", ["layer", "head", "kv_head", "name", *SCORES, "entropy_maximum"], rows)


def _head_csv(look: Look, request: Request) -> Response:
    layer, head = whole(request, "layer"), whole(request, "head")
    view, labels = head_of(look, layer, head), look.labels()
    rows = (
        [query, labels[query], key, labels[key], *(float(getattr(view, name)[query, key]) for name in ARRAYS[:7])]
        for query, key in zip(*np.tril_indices(len(labels)), strict=True)
    )
    header = ["query_pos", "query_token", "key_pos", "key_token", *ARRAYS[:7]]
    return table_file(f"layer-{layer}-head-{head}", header, rows)


def _training_csv(look: Look, _: Request) -> Response:
    rows = []
    for step in look.run().folder.snapshots():
        there = look.at(step)
        scores, context = scores_of(there), context_of(there)
        rows += [
            [step, layer, head, *(scores[name][layer][head] for name in SCORES), context["loss"], context["score"]]
            for layer, heads in enumerate(scores["label"]) for head in range(len(heads))
        ]  # fmt: skip
    return table_file("training", ["step", "layer", "head", *SCORES, "validation_loss", "in_context_score"], rows)


def _training_html(look: Look, request: Request) -> Response:
    score, control = request.query_params.get("score", "induction"), request.query_params.get("control")
    if control is not None and not RUN_ID.fullmatch(control):
        raise ValueError(f"control={control[:40]} is not possible: it must be the name of a run")
    data = attention.training_data(look, score, control)
    sources = {}
    for step in data["steps"]:
        there = look.at(step)
        sources[f"grid/{step}"] = grid_bytes(there)
        sources[f"scores/{step}"] = json.dumps(scores_of(there)).encode()
        sources[f"context/{step}"] = json.dumps(context_of(there)).encode()
    if control is not None:
        sources["control"] = json.dumps(scores_of(replace(look, run_id=control, step=None))).encode()
    return page_file(look, attention.training_component, data, sources, ("loss", "in_context", *HEAD_SCORES))


def _heads_html(look: Look, request: Request) -> Response:
    data = attention.heads_data(look, request.query_params.get("order", "layer"))
    sources = {"grid": grid_bytes(look), "scores": json.dumps(scores_of(look)).encode()}
    explained = ("attention", *HEAD_SCORES)
    return page_file(look, attention.heads_component, data, sources, explained)


def _head_html(look: Look, request: Request) -> Response:
    layer, head, query = whole(request, "layer"), whole(request, "head"), request.query_params
    locked = numbers(query.get("locked", ""), [len(look.tokens)] * 2)
    matrix, rest = query.get("matrix", "pattern"), query.get("rest") == "1"
    data = attention.head_data(look, layer, head, matrix, rest, locked)
    sources = {"head": head_bytes(head_of(look, layer, head))}
    explained = ("attention", "value_weighted", "sink", "position_part")
    return page_file(look, attention.head_component, data, sources, explained)


ANSWERS: dict[str, Answer] = {
    "grid": _grid,
    "scores": _scores_answer,
    "head": _head,
    "context": _context,
    "training.csv": _training_csv,
    "training.html": _training_html,
    "heads.csv": _heads_csv,
    "head.csv": _head_csv,
    "heads.html": _heads_html,
    "head.html": _head_html,
}
