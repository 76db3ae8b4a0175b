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
import torch
from numpy.typing import NDArray

from components.shared.packing import pack
from components.shared.selection import Selection, text_data
from components.shared.session import Address
from components.shared.texts import batch_of_one
from llm.interpret.attention_in_text import attention_in_text
from llm.interpret.attention_patterns import attention_layers, pattern_thumbnails, thumbnail_span
from llm.interpret.copying import CopyingScores, copying_scores
from llm.interpret.head_arithmetic import HeadArithmetic, head_arithmetic
from llm.interpret.head_scores import LABEL_ABOVE, LABELS, HeadScores, head_label, head_scores
from llm.interpret.loss_by_position import in_context_score, loss_by_position
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

SCORES = (*LABELS, "entropy")
SCORE_NAMES = {**LABELS, "entropy": "entropy"}
WINDOWS = 32  # of held-out text, on which the copying score and the loss by position are measured
DOES = {
    "previous": "looks at the token before",
    "duplicate": "looks at the earlier occurrence of the same token",
    "induction": "looks at the token that followed the last time the same token occurred",
    "first": "looks at the first token",
    "copying": "looks at the token that followed the last time the same token occurred",
}  # what a head with this label does, in words

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
    """Every head's scores, [layer][head], the labels that follow from them, and by score that of even attention.

    On random tokens that are repeated; the copying score on windows of held-out text, at `copied` positions.
    """
    run = selection.run()

    def compute_scores() -> dict[str, Any]:
        data = text_data(selection)
        scores = compute.finish(head_scores.steps(run.model, data.counted))
        windows = compute.run(data.evaluation_windows, WINDOWS)
        return _scores_json(scores, compute.finish(copying_scores.steps(run.model, *windows)))

    return _scores.get((run.folder.path, run.step), compute_scores)


def _scores_json(scores: HeadScores, copying: CopyingScores) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(scores, name).tolist() for name in SCORES if name != "copying"}
    values["copying"] = copying.copying.tolist()
    if not all(math.isfinite(score) for name in ("entropy", "copying") for row in values[name] for score in row):
        raise ValueError("Attention patterns contain NaN or infinity: the weights diverged. Choose an earlier step")
    values["label"] = [
        [head_label({name: values[name][layer][head] for name in LABELS}) for head in range(heads)]
        for layer, heads in enumerate(map(len, values["entropy"]))
    ]
    values["uniform"] = scores.uniform | {"copying": copying.uniform}
    values["copied"] = copying.positions
    return values


def best_head(selection: Selection) -> tuple[int, int] | None:
    """Layer and head with the highest score that gave a label; *first token* counts only if there is no other."""
    labelled = [
        (label[0] != "first", label[1], layer, head)
        for layer, labels in enumerate(scores_of(selection)["label"])
        for head, label in enumerate(labels)
        if label is not None
    ]
    return max(labelled)[2:] if labelled else None


def best_head_in_text(selection: Selection) -> dict[str, Any]:
    """The best-labelled head, and in a sentence what it does in this text; or what it means that there is none."""
    scores, best = scores_of(selection), best_head(selection)
    if best is None:
        return {"head": None, "sentence": _no_label(scores)}
    layer, head = best
    name, _ = scores["label"][layer][head]
    pattern = torch.from_numpy(head_of(selection, layer, head).pattern)
    found = attention_in_text(pattern.nan_to_num(), torch.tensor(selection.tokens), name, pattern.isnan())
    if found.positions == 0:
        sentence = f"Head {layer}.{head} {DOES[name]}; this text repeats no token, so that it finds nothing here."
    else:
        sentence = (
            f"In this text, head {layer}.{head} {DOES[name]}: {found.mean:.2f} of its attention on average; "
            f"even attention would give {found.uniform:.2f}."
        )
    return {"head": best, "sentence": sentence}


def _no_label(scores: dict[str, Any]) -> str:
    value, name, layer, head = max(
        (value, name, layer, head)
        for name in LABELS
        for layer, row in enumerate(scores[name])
        for head, value in enumerate(row)
    )
    return (
        f"No head has a score above {LABEL_ABOVE}: none gives more than half of its attention to one kind of token. "
        f"The highest is {LABELS[name]} {value:.2f}, of head {layer}.{head}; even attention would score "
        f"{scores['uniform'][name]:.2f}. Heads take on their roles in training: train longer, or on a text in which "
        "names and other things that cannot be guessed occur again."
    )


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
        "seesLater": not config.causal,
        "names": LABELS,
        "labelAbove": LABEL_ABOVE,
    }


def open_head(layer: int, head: int) -> None:
    """Show this head in the view One head."""
    st.query_params.update({Address.VIEW: "head", Address.LAYER: str(layer), Address.HEAD: str(head)})
