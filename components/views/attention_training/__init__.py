"""The view *Through training*: every head at each snapshot, and its scores beside the loss and the in-context score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from components.shared.browser import BrowserComponent
from components.shared.controls import choose_one
from components.shared.explanations import HEAD_SCORES, LOSS
from components.shared.head_figures import (
    SCORE_NAMES,
    SCORES,
    context_of,
    grid_bytes,
    grid_data,
    open_head,
    scores_of,
)
from components.shared.parameters import Query
from components.shared.run_names import run_name
from components.shared.select_box import select_box
from components.shared.selection import Selection, one_layer_runs, remember_step, selection_from_request
from components.shared.session import Address, control_key
from components.shared.view import Question, Table, View
from components.views.attention_training.explanations import IN_CONTEXT_SCORE
from llm.checkpoints import RUN_ID

EXPERIMENT = """
To copy a name that it has never seen, a model looks up where it occurred before. That takes two heads in two layers,
one after the other. So train two runs that differ only in the number of layers, and compare:

1. On *Train*, fill in what the page *Circuit* needs, and start.
2. When it has finished, repeat it with `n_layers` at 1 (under *All model settings*): the control.
3. Come back to this view, choose the first of the two runs above and the second under *Compare with a one-layer run*,
   and look at the score *copying* beside the two dashed lines. Where the score rises, the loss drops.

`docs/circuit.md` reports what came of it over several seeds and in each preset, and what can be concluded from it.
"""


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose the score that the first chart shows, and a run to compare with."""
    query: dict[str, str] = {Address.SCORE: choose_one("attention", Address.SCORE, "Score", SCORE_NAMES, "induction")}
    controls = one_layer_runs(except_for=selection.run_id)
    control = select_box(
        "Compare with a one-layer run", {"": "none"} | controls, control_key("attention", Address.CONTROL), "",
        width=420, disabled=not controls, help="A control: one layer alone cannot look up a name",
    )  # fmt: skip
    return selection, query | {Address.CONTROL: control} if control else query


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script."""
    run, control = selection.run(), _control(selection, query)
    steps = run.folder.snapshots()
    sources = {f"{what}/{step}": selection.at(step).address(f"attention/{what}")
               for step in steps for what in ("grid", "scores", "context")}  # fmt: skip
    if control is not None:
        sources["control"] = control.address("attention/scores")
    return {
        "title": f"Through training · {run_name(selection.run_id)}",
        **grid_data(selection),
        "context": run.config.n_ctx,
        "steps": steps,
        "step": run.step,
        "score": query.get(Address.SCORE, "induction"),
        "controlLabel": "" if control is None else f"one layer, {run_name(control.run_id)}",
        "sources": sources,
    }


def _control(selection: Selection, query: Query) -> Selection | None:
    """The one-layer run to compare with. Raises ValueError for a malformed run id."""
    run_id = query.get(Address.CONTROL)
    if run_id is None:
        return None
    if not RUN_ID.fullmatch(run_id):
        raise ValueError(f"control must be the name of a run, got {run_id[:40]!r}")
    return replace(selection, run_id=run_id, step=None)


def _open_head_at_step(opened: list[int] | None) -> None:
    """Open the chosen head at the snapshot where it was clicked."""
    if opened:
        remember_step(opened[0])
        open_head(*opened[1:])


def _move_to_step(step: int | None) -> None:
    """Show the snapshot that the slider was released at, on the whole page."""
    if step is not None:
        remember_step(step)


def measured(selection: Selection, query: Query) -> str:
    """Point to the chart, which shows the measured curves."""
    return "See the first chart; dashed: the untrained model."


def table(selection: Selection, query: Query) -> Table:
    """A row for each head at each snapshot."""
    rows = []
    for step in selection.run().folder.snapshots():
        scores, context = scores_of(selection.at(step)), context_of(selection.at(step))
        rows += [
            [step, layer, head, *(scores[name][layer][head] for name in SCORES), context["loss"], context["score"]]
            for layer, heads in enumerate(scores["label"]) for head in range(len(heads))
        ]  # fmt: skip
    return Table("training", ["step", "layer", "head", *SCORES, "validation_loss", "in_context_score"], rows)


def sources(selection: Selection, query: Query) -> dict[str, Any]:
    """Contents of an exported page: every snapshot."""
    held: dict[str, Any] = {}
    for step in selection.run().folder.snapshots():
        snapshot = selection.at(step)
        held |= {
            f"grid/{step}": grid_bytes(snapshot),
            f"scores/{step}": scores_of(snapshot),
            f"context/{step}": context_of(snapshot),
        }
    control = _control(selection, query)
    return held if control is None else held | {"control": scores_of(control)}


def footer(selection: Selection, query: Query) -> None:
    """Explain an experiment with the app's own controls, in a closed section."""
    with st.expander("An experiment: does a circuit form that copies names?", icon=":material/science:"):
        st.markdown(EXPERIMENT)
        st.page_link("train.py", label="Go to Train", icon=":material/play_arrow:", query_params=[(Address.NEW, "1")])


VIEW = View(
    page="attention",
    name="training",
    label="Through training",
    order=3,
    subject=selection_from_request,
    question=Question(
        "While the loss falls, when will the heads take on their roles?",
        ("From the first step", "Little by little", "All at once, at some point", "Only at the end"),
    ),
    component=BrowserComponent("attention_training", "views/attention_training/view.js"),
    choose=choose,
    data=data,
    events={"opened": _open_head_at_step, "moved": _move_to_step},
    measured=measured,
    explained=(LOSS, IN_CONTEXT_SCORE, *HEAD_SCORES),
    footer=footer,
    routes={"context": lambda selection, query: context_of(selection)},
    table=table,
    sources=sources,
)
