"""The view *Circuit*: two heads that copy what was read before, found, explained and broken on one example."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st
import torch

from components.shared import recipe, states
from components.shared.browser import BrowserComponent
from components.shared.controls import escape_token, remembered
from components.shared.explanations import COPYING_SCORE, PREVIOUS_TOKEN_SCORE
from components.shared.head_figures import scores_of
from components.shared.parameters import Query
from components.shared.run_names import run_name
from components.shared.select_box import select_box
from components.shared.selection import (
    Selection,
    one_layer_runs,
    remember_step,
    selection_from_request,
    text_data,
)
from components.shared.session import Address, control_key, forget
from components.shared.texts import token_texts
from components.shared.view import Question, Table, View
from components.views.circuit import figures, held_out
from components.views.circuit.choices import Choices, choices_from
from components.views.circuit.explanations import (
    ABLATED_LOSS,
    CIRCUIT_PAIR,
    CIRCUIT_PARTS,
    COMPOSITION,
    COPIED_PIECES,
    COPYING_TEST,
    DIRECT_EFFECT,
)
from llm.checkpoints import RunConfig
from llm.interpret.copying_circuit import circuit_pair
from llm.interpret.copying_test import last_repetition, other_pieces
from llm.interpret.head_scores import LABEL_ABOVE
from llm.layers.position import REGISTRY as POSITIONS

COPIES_ABOVE = 0.2  # copying score from which on the page says that a head copies
FIGURES: dict[str, Callable[[Selection, Choices], Any]] = {
    "heads": figures.heads_json,
    "parts": figures.parts_json,
    "composition": figures.composition_json,
    "direct": figures.direct_json,
    "test": figures.test_json,
    "heldOut": held_out.held_out_json,
}


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose the two heads, the other piece, and a one-layer run. The pair with the best scores comes first."""
    run = selection.run()
    page = f"circuit-{selection.run_id}"
    repetition = last_repetition(selection.tokens)
    assert repetition is not None  # `choose_example` offers no other text
    with states.loading("Measuring every head on held-out text"):
        end = selection.at(None)
        scores = [torch.tensor(scores_of(end)[name]) for name in ("previous", "copying")]
        first, second = (f"{layer}.{head}" for layer, head in circuit_pair(*scores))
        others = other_pieces(text_data(selection).counted, repetition, held_out.copied_tokens(selection))
    if not others:
        raise ValueError("This model knows a single token, so no other piece can replace the one to be copied")
    heads = [(layer, head) for layer in range(run.config.n_layers) for head in range(run.config.n_heads)]
    chosen: dict[str, str] = {}
    with st.container(horizontal=True):
        for name, label, default, known in (
            (Address.COPYING, "Copying head", second, [head for head in heads if head[0] > 0]),
            (Address.PREVIOUS, "Previous-token head", first, heads),
        ):
            if name == Address.PREVIOUS:  # in an earlier layer
                known = [head for head in heads if head[0] < int(chosen[Address.COPYING].partition(".")[0])]
            values = scores[name == Address.COPYING]
            options = {f"{layer}.{head}": f"layer {layer} · head {head} · {float(values[layer, head]):.2f}"
                       for layer, head in known}  # fmt: skip
            fallback = default if default in options else max(options, key=lambda option: _score(values, option))
            chosen[name] = select_box(label, options, remembered(page, name, fallback, list(options)), width=230)
        texts = token_texts(run.tokenizer, others)
        pieces = {str(token): escape_token(text) for token, text in zip(others, texts, strict=True)}
        key = remembered(page, Address.OTHER, next(iter(pieces)), list(pieces))
        chosen[Address.OTHER] = select_box("The other piece", pieces, key, width=150,
            help="Takes the place of the piece to be copied, in the test")  # fmt: skip
        controls = one_layer_runs(except_for=selection.run_id)
        control = select_box("Compare with a one-layer run", {"": "no other run"} | controls,
            control_key(page, Address.CONTROL), st.query_params.get(Address.CONTROL, ""), width=300,
            disabled=not controls, help="A control: one layer alone cannot form this circuit")  # fmt: skip
    if float(scores[1].max()) < COPIES_ABOVE and st.button(
        "Train a model that copies",
        icon=":material/arrow_forward:",
        help=f"Opens the form, filled in: {recipe.IN_WORDS}",
    ):
        recipe.fill_in()
        st.switch_page("train.py", query_params=[(Address.NEW, "1")])
    st.query_params.update(chosen)
    if control:
        st.query_params[Address.CONTROL] = chosen[Address.CONTROL] = control
    else:
        forget(Address.CONTROL)
    return selection, chosen


def _score(values: torch.Tensor, option: str) -> float:
    layer, head = map(int, option.split("."))
    return float(values[layer, head])


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script."""
    run, choices = selection.run(), choices_from(selection, query)
    asked, steps = choices.query(), run.folder.snapshots()
    sources = {name: selection.address(f"circuit/circuit-{name}", **asked) for name in FIGURES}
    sources |= {f"step/{step}": selection.at(step).address("circuit/circuit-step", **asked) for step in steps}
    if choices.control is not None:
        sources["control"] = selection.address("circuit/circuit-control", **asked)
    return {
        "title": selection.title("Circuit"),
        "labels": selection.labels(),
        "earlier": choices.repetition.earlier,
        "places": choices.repetition.positions,
        "piece": run.tokenizer.token_text(choices.repetition.piece),
        "other": run.tokenizer.token_text(choices.other),
        "previous": choices.previous,
        "copying": choices.copying,
        "layers": run.config.n_layers,
        "heads": run.config.n_heads,
        "group": run.config.n_heads // run.config.n_kv_heads,
        "rotary": POSITIONS[run.config.positional].acts_on == "queries and keys",
        "copiesAbove": COPIES_ABOVE,
        "labelAbove": LABEL_ABOVE,
        "advice": _advice(run.folder.config()),
        "control": run_name(choices.control) if choices.control else "",
        "steps": steps,
        "step": run.step,
        "sources": sources,
    }


def _advice(config: RunConfig) -> str:
    """What brings a copying head about, beyond the settings of this run."""
    lacking = recipe.differences(config)
    if not lacking:
        return (
            f"This run has the settings with which one formed in other runs ({recipe.IN_WORDS}). When it forms differs "
            "from seed to seed: train longer, or with another seed."
        )
    return (
        "What brings one about is a text in which something must be looked up, and time. One formed with these "
        f"settings: {recipe.IN_WORDS}. This run differs: {'; '.join(lacking)}."
    )


def figure(name: str, selection: Selection, query: Query) -> Any:
    """One of the figures for a request."""
    return FIGURES[name](selection, choices_from(selection, query))


def _move_to_step(step: int | None) -> None:
    """Show the snapshot that the slider was released at, on the whole page."""
    if step is not None:
        remember_step(step)


def table(selection: Selection, query: Query) -> Table:
    """A row for each number of the figures: its section, what it is of, and the value."""
    content = sources(selection, query)
    rows = [[section, *_flattened(value)] for section, part in content.items() for value in _leaves(part, ())]
    return Table(f"circuit-{selection.run_id}", ["figure", "what", "value"], rows)


def _leaves(value: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in _leaves(inner, (*path, name))]
    if isinstance(value, list):
        return [leaf for index, inner in enumerate(value) for leaf in _leaves(inner, (*path, str(index)))]
    return [(path, value)]


def _flattened(leaf: tuple[tuple[str, ...], Any]) -> list[Any]:
    path, value = leaf
    return [" ".join(path), value]


def sources(selection: Selection, query: Query) -> dict[str, Any]:
    """Contents of an exported page."""
    choices = choices_from(selection, query)
    held = {name: make(selection, choices) for name, make in FIGURES.items()}
    for step in selection.run().folder.snapshots():
        held[f"step/{step}"] = figures.step_json(selection.at(step), choices)
    return held if choices.control is None else held | {"control": figures.control_json(selection, choices)}


VIEW = View(
    page="circuit",
    name="circuit",
    label="Circuit",
    order=1,
    subject=selection_from_request,
    question=Question(
        "In a text that the model has never seen, a name or a row of words comes a second time, and its beginning is "
        "already written. Now you replace the next piece where it was read before. What will the model predict?",
        ("The right piece, as before", "The piece that it now reads there", "Neither of the two"),
    ),
    component=BrowserComponent("circuit", "views/circuit/view.js"),
    choose=choose,
    data=data,
    events={"moved": _move_to_step},
    measured=None,
    explained=(
        COPYING_SCORE, PREVIOUS_TOKEN_SCORE, CIRCUIT_PAIR, CIRCUIT_PARTS, COMPOSITION, DIRECT_EFFECT, COPYING_TEST,
        ABLATED_LOSS, COPIED_PIECES,
    ),
    footer=None,
    routes={f"circuit-{name}": partial(figure, name) for name in FIGURES} | {
        "circuit-step": lambda selection, query: figures.step_json(selection, choices_from(selection, query)),
        "circuit-control": lambda selection, query: figures.control_json(selection, choices_from(selection, query)),
    },
    table=table,
    sources=sources,
    next_token=True,
)  # fmt: skip
