"""The view *One head*: one attention pattern on the text, with the arithmetic of every cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from components.shared import states
from components.shared.browser import BrowserComponent
from components.shared.controls import choose_one, remember_locked, remembered
from components.shared.explanations import ATTENTION_PATTERN
from components.shared.head_figures import best_head, head_of
from components.shared.packing import pack
from components.shared.parameters import Query, int_param, parse_indices
from components.shared.positions import positions_data
from components.shared.select_box import picked
from components.shared.selection import Selection, selection_from_request
from components.shared.session import Address, control_key
from components.shared.view import Question, Table, View
from components.views.attention_head.explanations import ATTENTION_SINK, POSITION_PART, VALUE_WEIGHTED_PATTERN
from llm.interpret.head_arithmetic import HeadArithmetic
from llm.layers.mask import reason
from llm.layers.position import REGISTRY as POSITIONS

MATRICES = {
    "pattern": "Pattern",
    "weighted": "Value-weighted",
    "scores": "Scores before softmax",
    "content": "Part due to content",
    "position": "Part due to position",
}
ARRAYS = (
    "pattern", "weighted", "pattern_rest", "weighted_rest", "scores", "content", "position", "query", "key", "highest",
    "total", "by_distance",
)  # fmt: skip


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose layer and head, at first those of the best-labelled head, and which matrix to show."""
    config = selection.run().config
    first = _best_head(selection)
    query: dict[str, str] = {}
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        counts = (config.n_layers, config.n_heads)
        for name, count, best in zip((Address.LAYER, Address.HEAD), counts, first, strict=True):
            allowed = [str(index) for index in range(count)]
            key = remembered("attention", name, str(best), allowed)
            query[name] = st.selectbox(name.capitalize(), allowed, key=key, persist_state="session", width=110)
            st.query_params[name] = query[name]
        shown = MATRICES if POSITIONS[config.positional].acts_by_distance else dict(list(MATRICES.items())[:3])
        query[Address.MATRIX] = choose_one("attention", Address.MATRIX, "Show", shown, "pattern")
        rest = st.toggle("Hide the first token", st.query_params.get(Address.REST) == "1",
                         key=control_key("attention", Address.REST),
                         help="Rescale the remaining attention so that each row sums to 1 again")  # fmt: skip
    query[Address.REST] = st.query_params[Address.REST] = str(int(rest))
    query[Address.LOCKED] = st.query_params.get(Address.LOCKED, "")
    return selection, query


def _best_head(selection: Selection) -> tuple[int, int]:
    """The head to begin with. It is measured only if neither the address nor the user has chosen one."""
    if Address.LAYER in st.query_params or picked(control_key("attention", Address.LAYER)) is not None:
        return 0, 0
    with states.loading("Measuring every head"):
        return best_head(selection) or (0, 0)


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script. `locked`: query and key position of the selected cell."""
    config, (layer, head) = selection.run().config, layer_and_head(query)
    return {
        "title": selection.title(f"Layer {layer}, head {head}"),
        "labels": selection.labels(),
        "own": selection.own,
        "layer": layer,
        "head": head,
        "heads": config.n_heads,
        "group": config.group,
        "dHead": config.d_head,
        "softcap": config.attention_softcap,
        "positions": positions_data(config),
        "masked": reason(config, layer),
        "matrix": query.get(Address.MATRIX, "pattern"),
        "matrices": MATRICES,
        "rest": query.get(Address.REST) == "1",
        "locked": parse_indices(query.get(Address.LOCKED, ""), [len(selection.tokens)] * 2),
        "sources": {"head": selection.address("attention/head", layer=layer, head=head)},
    }


def layer_and_head(query: Query) -> tuple[int, int]:
    """The layer and head in the query."""
    return int_param(query, Address.LAYER), int_param(query, Address.HEAD)


def measured(selection: Selection, query: Query) -> str:
    """Which token the last one attends to most; named by its position, since a token's text could be markup."""
    row = head_of(selection, *layer_and_head(query)).pattern[-1]
    key, last = int(np.nanargmax(row)), len(row) - 1
    targets = {last: "itself", last - 1: "the previous token", 0: "the first token"}
    target = targets.get(key, f"position {key}, {last - key} tokens back")
    return f"Measured: most of its attention, {row[key]:.1%}, goes to **{target}**."


def head_bytes(view: HeadArithmetic) -> bytes:
    """The arrays of a head, packed in float32."""
    return pack({name: getattr(view, name).astype(np.float32) for name in ARRAYS})


def head_content(selection: Selection, query: Query) -> bytes:
    """The arrays of the head in the query."""
    return head_bytes(head_of(selection, *layer_and_head(query)))


def table(selection: Selection, query: Query) -> Table:
    """A row for each query and each key that the mask shows it."""
    layer, head = layer_and_head(query)
    view, labels = head_of(selection, layer, head), selection.labels()
    rows = (
        [query_pos, labels[query_pos], key_pos, labels[key_pos],
         *(float(getattr(view, name)[query_pos, key_pos]) for name in ARRAYS[:7])]
        for query_pos, key_pos in zip(*np.nonzero(~np.isnan(view.pattern)), strict=True)
    )  # fmt: skip
    header = ["query_pos", "query_token", "key_pos", "key_token", *ARRAYS[:7]]
    return Table(f"layer-{layer}-head-{head}", header, rows)


def footer(selection: Selection, query: Query) -> None:
    """Link to the code that computed the pattern."""
    there: dict[str, str] = {
        Address.RUN: selection.run_id,
        Address.LAYER: f"blocks.{query[Address.LAYER]}.attention",
    }
    if (prompt := st.query_params.get(Address.PROMPT)) is not None:
        there[Address.PROMPT] = prompt
    if selection.step is not None:
        there[Address.STEP] = str(selection.step)
    st.page_link("code.py", label="The lines of code that computed it", icon=":material/code:", query_params=there)


VIEW = View(
    page="attention",
    name="head",
    label="One head",
    order=2,
    subject=selection_from_request,
    question=Question(
        "The last token of your text attends to the tokens before it. Where will most of its attention go?",
        ("To itself", "To the previous token", "To the first token", "Further back"),
    ),
    component=BrowserComponent("attention_head", "views/attention_head/view.js"),
    choose=choose,
    data=data,
    events={"locked": remember_locked},
    measured=measured,
    explained=(ATTENTION_PATTERN, VALUE_WEIGHTED_PATTERN, POSITION_PART, ATTENTION_SINK),
    footer=footer,
    routes={"head": head_content},
    table=table,
    sources=lambda selection, query: {"head": head_content(selection, query)},
)
