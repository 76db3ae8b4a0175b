"""The view *All heads*: what the best-labelled head does in the text, and every head's pattern, name and scores."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components.shared.browser import BrowserComponent
from components.shared.controls import choose_one
from components.shared.explanations import ATTENTION_PATTERN, HEAD_SCORES
from components.shared.head_figures import (
    SCORE_NAMES,
    SCORES,
    best_head_in_text,
    grid_bytes,
    grid_data,
    open_head,
    scores_of,
)
from components.shared.parameters import Query
from components.shared.selection import Selection, selection_from_request
from components.shared.session import Address
from components.shared.view import Question, Table, View

ORDERS = {"layer": "by layer", **SCORE_NAMES}


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose the order of the heads."""
    return selection, {Address.ORDER: choose_one("attention", Address.ORDER, "Order", ORDERS, "layer")}


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script."""
    return {
        "title": selection.title("All heads"),
        **grid_data(selection),
        "order": query.get(Address.ORDER, "layer"),
        "sources": {
            "grid": selection.address("attention/grid"),
            "scores": selection.address("attention/scores"),
            "best": selection.address("attention/best"),
        },
    }


def measured(selection: Selection, query: Query) -> str:
    """How many heads have a label: more than half of their attention is on one kind of token."""
    labels = [label for layer in scores_of(selection)["label"] for label in layer]
    return f"Measured: **{sum(label is not None for label in labels)} of {len(labels)}**."


def table(selection: Selection, query: Query) -> Table:
    """A row for each head."""
    config, scores = selection.run().config, scores_of(selection)
    group = config.n_heads // config.n_kv_heads
    rows = [
        [layer, head, head // group, (scores["label"][layer][head] or [""])[0],
         *(scores[name][layer][head] for name in SCORES), scores["uniform"]["entropy"]]
        for layer in range(config.n_layers) for head in range(config.n_heads)
    ]  # fmt: skip
    return Table("heads", ["layer", "head", "kv_head", "name", *SCORES, "entropy_maximum"], rows)


def footer(selection: Selection, query: Query) -> None:
    """Link to the page that shows two heads at work together."""
    there: dict[str, str] = {Address.RUN: selection.run_id}
    if selection.step is not None:
        there[Address.STEP] = str(selection.step)
    st.page_link("circuit.py", label="Two heads at work: how this model copies a name", icon=":material/account_tree:",
                 query_params=there)  # fmt: skip


VIEW = View(
    page="attention",
    name="heads",
    label="All heads",
    order=1,
    subject=selection_from_request,
    question=Question(
        "How many of this model's heads give more than half of their attention to one kind of token, such as the "
        "previous one?",
        ("None of them", "A few", "About half", "Nearly all"),
    ),
    component=BrowserComponent("attention_heads", "views/attention_heads/view.js"),
    choose=choose,
    data=data,
    events={"opened": lambda head: open_head(*head) if head else None},
    measured=measured,
    explained=(ATTENTION_PATTERN, *HEAD_SCORES),
    footer=footer,
    routes={
        "grid": lambda selection, query: grid_bytes(selection),
        "scores": lambda selection, query: scores_of(selection),
        "best": lambda selection, query: best_head_in_text(selection),
    },
    table=table,
    sources=lambda selection, query: {
        "grid": grid_bytes(selection),
        "scores": scores_of(selection),
        "best": best_head_in_text(selection),
    },
)
