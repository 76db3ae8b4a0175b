"""The view *Logit lens*: what the model would predict if it stopped after each layer, at each position of the text."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components.shared.browser import BrowserComponent
from components.shared.controls import choose_one, remember_locked
from components.shared.explanations import PROBABILITY
from components.shared.lens_figures import lens_of, row_names
from components.shared.parameters import Query, parse_indices
from components.shared.selection import Selection, selection_from_request
from components.shared.session import Address
from components.shared.texts import token_texts
from components.shared.view import Question, Table, View
from components.views.lens.explanations import LOGIT_LENS, TRUE_TOKEN
from llm.layers.norm_position import REGISTRY as NORM_POSITIONS

TOP = 5  # predictions that a hover shows
COLOURS = {
    "guess": "Probability of the prediction",
    "truth": "Probability of the true next token",
    "rank": "Rank of the true next token",
}


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose what the colour of a cell means."""
    colour = choose_one("inside", Address.COLOUR, "Colour", COLOURS, "guess")
    return selection, {Address.COLOUR: colour, Address.LOCKED: st.query_params.get(Address.LOCKED, "")}


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script. `locked`: row and position of the selected cell."""
    rows, colour = row_names(selection), query.get(Address.COLOUR, "guess")
    return {
        "title": selection.title("Logit lens"),
        "labels": selection.labels(),
        "own": selection.own,
        "rows": rows,
        "vocabulary": selection.run().config.d_vocab,
        "colour": colour if colour in COLOURS else "guess",
        "colours": COLOURS,
        "postNorm": NORM_POSITIONS[selection.run().config.norm_position].stream,
        "locked": parse_indices(query.get(Address.LOCKED, ""), (len(rows), len(selection.tokens))),
        "sources": {"lens": selection.address("inside/lens")},
    }


def measured(selection: Selection, query: Query) -> str:
    """From which row the last position's top prediction is the final one."""
    row = settled(lens_of(selection).top_tokens[:, 0, -1, 0].tolist())
    return f"Measured: at the last position the final prediction is on top from **{row_names(selection)[row]}** on."


def settled(predictions: list[int]) -> int:
    """The first index from which all predictions equal the last one."""
    row = len(predictions) - 1
    while row > 0 and predictions[row - 1] == predictions[-1]:
        row -= 1
    return row


def rows_json(selection: Selection) -> dict[str, Any]:
    """The lens row by row, position by position; predictions as token ids, with each id's text listed once."""
    lens = lens_of(selection)
    predictions = lens.top_tokens[:, 0, :, :TOP]  # [row, pos, top]
    occurring = predictions.unique().tolist()
    return {
        "top": predictions.shape[-1],
        "guesses": predictions.flatten().tolist(),
        "probabilities": [round(value, 5) for value in lens.top_probabilities[:, 0, :, :TOP].flatten().tolist()],
        "truth": [round(value, 5) for value in lens.true_probability[:, 0].flatten().tolist()],
        "rank": lens.true_rank[:, 0].flatten().tolist(),
        "texts": dict(zip(occurring, token_texts(selection.run().tokenizer, occurring), strict=True)),
    }


def table(selection: Selection, query: Query) -> Table:
    """A row for each cell: the true next token, and the top predictions."""
    lens, labels, content = lens_of(selection), selection.labels(), rows_json(selection)
    top, texts = content["top"], content["texts"]
    rows = []
    for row, name in enumerate(row_names(selection)):
        for position, label in enumerate(labels):
            truth: list[Any] = [None, None, None]  # the last position has none
            if position + 1 < len(labels):
                probability, rank = lens.true_probability[row, 0, position], lens.true_rank[row, 0, position]
                truth = [labels[position + 1], float(probability), int(rank)]
            tokens = [texts[token] for token in lens.top_tokens[row, 0, position, :top].tolist()]
            predictions = zip(tokens, lens.top_probabilities[row, 0, position, :top].tolist(), strict=True)
            rows.append([name, position, label, *truth, *(value for pair in predictions for value in pair)])
    predicted = [f"{what}_{rank}" for rank in range(1, top + 1) for what in ("guess", "probability")]
    header = ["row", "pos", "token", "true_next", "true_probability", "true_rank", *predicted]
    return Table(f"lens-{selection.run_id}", header, rows)


VIEW = View(
    page="inside",
    name="lens",
    label="Logit lens",
    order=1,
    subject=selection_from_request,
    question=Question(
        "The model predicts your text's next token. After which layer is its final prediction already on top?",
        ("Already at the embedding", "In the first half of the layers", "In the second half", "Only in the last one"),
    ),
    component=BrowserComponent("inside_lens", "views/lens/view.js"),
    choose=choose,
    data=data,
    events={"locked": remember_locked},
    measured=measured,
    explained=(LOGIT_LENS, TRUE_TOKEN, PROBABILITY),
    footer=None,
    routes={"lens": lambda selection, query: rows_json(selection)},
    table=table,
    sources=lambda selection, query: {"lens": rows_json(selection)},
    next_token=True,
)
