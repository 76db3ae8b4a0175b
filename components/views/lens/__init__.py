"""The view *Logit lens*: what the model would say if it stopped after each layer, at each position of the text."""

from __future__ import annotations

import json
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
from components.shared.texts import batch_of_one, token_texts
from llm.interpret.logit_lens import LogitLens, logit_lens
from llm.runtime import compute
from llm.runtime.kept import Kept

KEY = "inside-lens"
TOP = 5  # guesses that a hover shows
MOST = 20  # guesses that are kept: other views offer them as choices
COLOURS = {
    "guess": "Probability of the guess",
    "truth": "Probability of the true next",
    "rank": "Rank of the true next",
}
EXPLAINED = ("lens", "lens_truth", "probability")
FINALLY = ["Already at the embedding", "In the first half of the layers", "In the second half", "Only in the last one"]

component = BrowserComponent("inside_lens", "views/lens/view.js")
_lenses: Kept[LogitLens] = Kept(8)


def show(look: Look) -> None:
    """The guesses of every layer as a grid."""
    question = "The model makes one guess at your text's next token. From where on does that guess stand first?"
    if not expect.expect(KEY, question, FINALLY):
        return
    colour = choose_one("inside", "colour", "Colour", COLOURS, "guess")
    locked = st.query_params.get("locked", "")
    component.mount(key=KEY, data=data_of(look, colour, locked), on_locked_change=lambda: hold(KEY))
    if guess := expect.expected(KEY):
        with states.loading("Reading every layer"):
            st.markdown(f"You expected: **{guess.lower()}**. {stands_from(look)}")
    explain("What do these figures mean?", *EXPLAINED)


def lens_of(look: Look) -> LogitLens:
    """The lens on a text, a task a row, so that a training goes on between them."""
    run = look.run()

    def make() -> LogitLens:
        lens = compute.finish(logit_lens.steps(run.model, batch_of_one(look.tokens), MOST))
        refuse_diverged("guesses are no numbers", lens.top_probabilities)
        return lens

    return _lenses.get((run.folder.path, run.step, look.tokens), make)


def row_names(look: Look) -> list[str]:
    """What the rows of a lens are called."""
    return ["embedding", *(f"layer {layer}" for layer in range(look.run().config.n_layers))]


def stands_from(look: Look) -> str:
    """From which row on the last position's guess is the final one, in a sentence."""
    row = settled(lens_of(look).top_tokens[:, 0, -1, 0].tolist())
    return f"Measured: at the last position the final guess stands first from the **{row_names(look)[row]}** on."


def settled(guesses: list[int]) -> int:
    """The first place from which on all guesses are the last one."""
    row = len(guesses) - 1
    while row > 0 and guesses[row - 1] == guesses[-1]:
        row -= 1
    return row


def data_of(look: Look, colour: str, locked: str) -> dict[str, Any]:
    """What the view is told. `locked`: row and position of the cell that is held."""
    rows = row_names(look)
    held = numbers(locked, (len(rows), len(look.tokens)))
    return {
        "title": f"Logit lens · run {look.run_id} · step {look.run().step}",
        "labels": look.labels(),
        "own": look.own,
        "rows": rows,
        "vocabulary": look.run().config.d_vocab,
        "colour": colour,
        "colours": COLOURS,
        "postNorm": look.run().config.norm_position == "post",
        "locked": held,
        "sources": {"lens": look.address("inside/lens")},
        "carry": carry_links(look, "inside", "lens", {"colour": colour, "locked": locked if held else ""}),
    }


def as_json(look: Look) -> dict[str, Any]:
    """The lens row by row, position by position; guesses as token ids, whose texts come apart."""
    lens = lens_of(look)
    guesses = lens.top_tokens[:, 0, :, :TOP]  # [row, pos, top]
    occurring = guesses.unique().tolist()
    return {
        "top": guesses.shape[-1],
        "guesses": guesses.flatten().tolist(),
        "probabilities": [round(one, 5) for one in lens.top_probabilities[:, 0, :, :TOP].flatten().tolist()],
        "truth": [round(one, 5) for one in lens.true_probability[:, 0].flatten().tolist()],
        "rank": lens.true_rank[:, 0].flatten().tolist(),
        "texts": dict(zip(occurring, token_texts(look.run().tokenizer, occurring), strict=True)),
    }


def _csv(look: Look, _: Request) -> Response:
    lens, labels, held = lens_of(look), look.labels(), as_json(look)
    top, texts = held["top"], held["texts"]
    rows = []
    for row, name in enumerate(row_names(look)):
        for position, label in enumerate(labels):
            truth: list[Any] = [None, None, None]  # the last position has none
            if position + 1 < len(labels):
                probability, rank = lens.true_probability[row, 0, position], lens.true_rank[row, 0, position]
                truth = [labels[position + 1], float(probability), int(rank)]
            tokens = [texts[token] for token in lens.top_tokens[row, 0, position, :top].tolist()]
            guesses = zip(tokens, lens.top_probabilities[row, 0, position, :top].tolist(), strict=True)
            rows.append([name, position, label, *truth, *(value for guess in guesses for value in guess)])
    guessed = [f"{what}_{place}" for place in range(1, top + 1) for what in ("guess", "probability")]
    header = ["row", "pos", "token", "true_next", "true_probability", "true_rank", *guessed]
    return table_file(f"lens-{look.run_id}", header, rows)


def _html(look: Look, request: Request) -> Response:
    colour = request.query_params.get("colour", "guess")
    data = data_of(look, colour if colour in COLOURS else "guess", request.query_params.get("locked", ""))
    return page_file(look, component, data, {"lens": json.dumps(as_json(look)).encode()}, EXPLAINED)


ANSWERS: dict[str, Answer] = {
    "lens": lambda look, _: JSONResponse(as_json(look)),
    "lens.csv": _csv,
    "lens.html": _html,
}
