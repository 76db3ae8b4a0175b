"""What the views of the page Attention share: patterns and scores of heads, computed layer by layer.

All torch work goes to the compute thread one layer at a time, so that a training run continues between two layers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.shared.packing import pack
from components.shared.selection import Selection, text_data
from components.shared.session import Address, control_key
from components.shared.texts import batch_of_one
from llm.interpret.attention_patterns import attention_layers, pattern_thumbnails, thumbnail_span
from llm.interpret.head_arithmetic import HeadArithmetic, head_arithmetic
from llm.interpret.head_scores import LABEL_ABOVE, LABELS, HeadScores, head_label, head_scores
from llm.interpret.loss_by_position import in_context_score, loss_by_position
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

SCORES = ("previous", "duplicate", "induction", "first", "entropy")
SCORE_NAMES = {**LABELS, "entropy": "entropy"}
WINDOWS = 32  # of held-out text, on which the loss by position is measured

_scores: ResultCache[dict[str, Any]] = ResultCache(200)
_contexts: ResultCache[dict[str, Any]] = ResultCache(200)
_heads: ResultCache[HeadArithmetic] = ResultCache(8)


def grid_bytes(selection: Selection) -> bytes:
    """Every head's reduced pattern, packed: `pattern` [layer, head, query_cell, key_cell], one byte per cell."""
    return pack({"pattern": np.stack(list(compute.iterate(_thumbnail_layers(selection))))})


def _thumbnail_layers(selection: Selection) -> Iterator[NDArray[np.uint8]]:
    for layer in attention_layers(selection.run().model, batch_of_one(selection.tokens)):
        yield pattern_thumbnails(layer.pattern[0]).numpy()


def scores_of(selection: Selection) -> dict[str, Any]:
    """Every head's scores, [layer][head], on random tokens repeated twice, and the label that follows from them."""
    run = selection.run()

    def compute_scores() -> dict[str, Any]:
        return _scores_json(compute.finish(head_scores.steps(run.model, text_data(selection).train)))

    return _scores.get((run.folder.path, run.step), compute_scores)


def _scores_json(scores: HeadScores) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(scores, name).tolist() for name in SCORES}
    if not all(math.isfinite(score) for row in values["entropy"] for score in row):
        raise ValueError("Attention patterns contain NaN or infinity: the weights diverged. Choose an earlier step")
    values["label"] = [
        [head_label(*four) for four in zip(*(values[name][layer] for name in SCORES[:4]), strict=True)]
        for layer in range(len(scores.entropy))
    ]
    values["entropy_maximum"] = scores.entropy_maximum
    return values


def context_of(selection: Selection) -> dict[str, Any]:
    """Validation loss, loss by position, and the in-context learning score, on windows of the validation text."""
    run = selection.run()

    def compute_value() -> dict[str, Any]:
        inputs, targets = compute.run(text_data(selection).evaluation_windows, WINDOWS)
        losses = compute.finish(loss_by_position.steps(run.model, inputs, targets))
        score = in_context_score(losses)
        return {
            "loss": float(losses.mean()),
            "by_position": losses.tolist(),
            "score": score.score,
            "published": score.published,
            "windows": len(inputs),
        }

    return _contexts.get((run.folder.path, run.step), compute_value)


def head_of(selection: Selection, layer: int, head: int) -> HeadArithmetic:
    """One head of one layer, computed layer by layer up to it. Raises ValueError for a head that does not exist."""
    config = selection.run().config
    if not 0 <= layer < config.n_layers:
        raise ValueError(f"layer must be in 0 to {config.n_layers - 1}, the layers of this model, got {layer}")

    run = selection.run()

    def compute_value() -> HeadArithmetic:
        layers = compute.iterate(attention_layers(run.model, batch_of_one(selection.tokens)))
        return compute.run(head_arithmetic, next(itertools.islice(layers, layer, None)), head)

    return _heads.get((run.folder.path, run.step, selection.tokens, layer, head), compute_value)


def grid_data(selection: Selection) -> dict[str, Any]:
    """Data for the script of a view that shows a small pattern of every head."""
    config = selection.run().config
    return {
        "labels": selection.labels(),
        "span": thumbnail_span(len(selection.tokens)),
        "layers": config.n_layers,
        "heads": config.n_heads,
        "group": config.n_heads // config.n_kv_heads,
        "names": LABELS,
        "labelAbove": LABEL_ABOVE,
    }


def open_head(layer: int, head: int) -> None:
    """Show this head in the view One head."""
    st.session_state[control_key("attention", Address.VIEW)] = "head"
    st.session_state[control_key("attention", Address.LAYER)] = str(layer)
    st.session_state[control_key("attention", Address.HEAD)] = str(head)
