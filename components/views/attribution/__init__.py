"""The view *Attribution*: how much each part of the model favours one token over another, in bars that sum exactly."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components.shared import states
from components.shared.browser import BrowserComponent
from components.shared.controls import choose_one, escape_token
from components.shared.lens_figures import lens_of
from components.shared.parameters import Query, int_param, parse_natural
from components.shared.select_box import picked, select_box
from components.shared.selection import Selection, selection_from_request
from components.shared.session import Address, Session, control_key, forget
from components.shared.texts import batch_of_one
from components.shared.view import Question, Table, View, require_finite
from components.views.attribution.explanations import DIRECT_LOGIT_ATTRIBUTION, LOGIT_DIFFERENCE
from llm.interpret.decomposition import Component
from llm.interpret.direct_logit_attribution import Attribution, direct_logit_attribution
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

FEW = 30  # bars shown; the smaller ones are summed into one, unless all are requested
ORDERS = {"size": "by size", "layer": "by layer"}
GROUPS = {
    "token": "The embeddings",
    "position": "The embeddings",
    "head": "The attention heads",
    "mlp": "The MLPs",
    "attention bias": "The biases",
    "norm bias": "The biases",
}

_attributions: ResultCache[Attribution] = ResultCache(8)


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose the position, the pair of tokens, and the order of the bars."""
    if st.session_state.get(Session.INSIDE_PAIR_OF, selection.run_id) != selection.run_id:
        forget(Address.TOKEN, Address.AGAINST)  # another model's
    st.session_state[Session.INSIDE_PAIR_OF] = selection.run_id
    d_vocab = selection.run().config.d_vocab
    position = _address_index(Address.POSITION, len(selection.tokens))
    position = len(selection.tokens) - 1 if position is None else position
    with states.loading("Reading every layer"):
        token, against = _address_index(Address.TOKEN, d_vocab), _address_index(Address.AGAINST, d_vocab)
        pair = pair_of(selection, position, token, against)
        parts = len(attribution_of(selection, position, pair).components)
    st.query_params[Address.POSITION] = str(position)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choose_token(selection, position, "Towards", Address.TOKEN, pair[0])
        choose_token(selection, position, "Rather than", Address.AGAINST, pair[1])
        order = choose_one("inside", Address.ORDER, "Order", ORDERS, "size")
        every = parts > FEW and st.toggle(f"All {parts} bars", st.query_params.get(Address.ALL) == "1",
                                          key=control_key("inside", Address.ALL))  # fmt: skip
    st.query_params[Address.ALL] = str(int(every))
    if unknown := st.session_state.pop(Session.INSIDE_UNKNOWN, None):
        states.failed(unknown)
    return selection, {
        Address.POSITION: str(position),
        Address.TOKEN: str(pair[0]),
        Address.AGAINST: str(pair[1]),
        Address.ORDER: order,
        Address.ALL: str(int(every)),
    }


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script."""
    tokenizer = selection.run().tokenizer
    position, pair = position_and_pair(selection, query)
    shown = {Address.POSITION: position, Address.TOKEN: pair[0], Address.AGAINST: pair[1]}
    return {
        "title": selection.title("Attribution"),
        "labels": selection.labels(),
        "own": selection.own,
        "position": position,
        "pair": [tokenizer.token_text(token) for token in pair],
        "order": query.get(Address.ORDER, "size"),
        "groups": list(dict.fromkeys(GROUPS.values())),
        "capped": selection.run().config.final_softcap is not None,
        "few": None if query.get(Address.ALL) == "1" else FEW,
        "sources": {"attribution": selection.address("inside/attribution", **shown)},
    }


def position_and_pair(selection: Selection, query: Query) -> tuple[int, tuple[int, int]]:
    """The position and pair in the query. Raises ValueError if they do not exist."""
    last = len(selection.tokens) - 1
    position = int_param(query, Address.POSITION, last)
    if position > last:
        raise ValueError(f"position must be 0 to {last}, the positions of this text, got {position}")
    token, against = (int_param(query, name) if name in query else None for name in (Address.TOKEN, Address.AGAINST))
    return position, pair_of(selection, position, token, against)


def pair_of(selection: Selection, position: int, token: int | None, against: int | None) -> tuple[int, int]:
    """The chosen pair; by default the true next token, or the top prediction, against the most likely other one."""
    predicted = [token for token, _ in predictions_at(selection, position)]
    if token is None:
        token = selection.tokens[position + 1] if position + 1 < len(selection.tokens) else predicted[0]
    if against is None:
        against = next((other for other in predicted if other != token), token)
    return token, against


def predictions_at(selection: Selection, position: int) -> list[tuple[int, float]]:
    """The model's most likely next tokens and their probabilities: the lens's last row is its output."""
    lens = lens_of(selection)
    tokens, probabilities = lens.top_tokens[-1, 0, position], lens.top_probabilities[-1, 0, position]
    return list(zip(tokens.tolist(), probabilities.tolist(), strict=True))


def choose_token(selection: Selection, position: int, label: str, name: str, token: int) -> None:
    """Choose one of the most likely next tokens or the true one; any other can be typed."""
    probabilities = dict(predictions_at(selection, position))
    truth = selection.tokens[position + 1 : position + 2]
    tokenizer = selection.run().tokenizer

    def label_of(option: int) -> str:
        probability = f" · {probabilities[option]:.1%}" if option in probabilities else ""
        return escape_token(tokenizer.token_text(option)) + probability + (" · true next" if option in truth else "")

    key = control_key("inside", name)
    st.session_state[key] = token
    select_box(
        label, {option: label_of(option) for option in (*truth, *probabilities, token)}, key, width=210,
        accept_new_options=True, on_change=_choose_typed, args=(selection, name),
        help="Or type another token (· for a space); of a longer text, the first token is used",
    )  # fmt: skip


def attribution_of(selection: Selection, position: int, pair: tuple[int, int]) -> Attribution:
    """Every component's contribution at a position."""
    run = selection.run()

    def compute_attribution() -> Attribution:
        result = compute.run(direct_logit_attribution, run.model, batch_of_one(selection.tokens), pair, position)
        require_finite("This model's logits", result.values)
        return result

    return _attributions.get((run.folder.path, run.step, selection.tokens, position, pair), compute_attribution)


def bar_names(parts: list[Component]) -> list[str]:
    """The components' names beside their bars."""
    return [_bar_name(part, before.kind) for before, part in zip([parts[0], *parts], parts, strict=False)]


def _bar_name(part: Component, before: str) -> str:
    """A component's name; the two norms of a post-norm layer are named after the sublayer before them."""
    sublayer = "MLP" if before == "mlp" else "attention"
    names = {
        "token": "Token embedding",
        "position": "Position vector",
        "head": f"Layer {part.layer} · head {part.head}",
        "mlp": f"Layer {part.layer} · MLP",
        "attention bias": f"Layer {part.layer} · attention's bias",
        "norm bias": "Final norm's bias" if part.layer is None else f"Layer {part.layer} · bias after {sublayer}",
    }
    return names[part.kind]


def bars_json(selection: Selection, query: Query) -> dict[str, Any]:
    """Bars in the order of the layers, and the model's own logit difference: before a soft-cap, and of its output."""
    result = attribution_of(selection, *position_and_pair(selection, query))
    values = result.values[:, 0].tolist()
    return {
        "bars": [
            {"name": name, "group": GROUPS[part.kind], "value": value}
            for name, part, value in zip(bar_names(result.components), result.components, values, strict=True)
        ],
        "difference": float(result.logit_difference[0]),
        "output": float(result.output_difference[0]),
    }


def measured(selection: Selection, query: Query) -> str:
    """Which group of parts contributes most."""
    content = bars_json(selection, query)
    totals = dict.fromkeys(GROUPS.values(), 0.0)
    for bar in content["bars"]:
        totals[bar["group"]] += bar["value"]
    group = max(totals, key=lambda name: abs(totals[name]))
    return (
        f"Measured: **{group.lower()}** contribute most, {totals[group]:+.2f} of a logit difference of "
        f"{content['difference']:+.2f}{' before the soft-cap' if selection.run().config.final_softcap else ''}."
    )


def _address_index(name: str, limit: int) -> int | None:
    """A whole number in the page's address, if below a limit."""
    number = parse_natural(st.query_params.get(name, ""))
    return number if number is not None and number < limit else None


def _move(position: int | None) -> None:
    """Show another position, with the default pair for it."""
    if position is not None:
        st.query_params[Address.POSITION] = str(position)
        forget(Address.TOKEN, Address.AGAINST)


def _choose_typed(selection: Selection, name: str) -> None:
    """Store the token that was chosen from the list or typed."""
    token = picked(control_key("inside", name))
    if isinstance(token, str):
        try:
            token = first_token(selection, token)
        except ValueError as error:
            st.session_state[Session.INSIDE_UNKNOWN] = str(error)
            return
    st.query_params[name] = str(token)


def first_token(selection: Selection, text: str) -> int:
    """The first token of the typed text. Raises ValueError if the tokenizer cannot encode it."""
    ids = selection.run().tokenizer.encode(text.replace("·", " "))
    if not ids:
        raise ValueError("The token must have at least one character, got none")
    return ids[0]


def table(selection: Selection, query: Query) -> Table:
    """A row for each bar, and one for the model's own logit difference."""
    result = attribution_of(selection, *position_and_pair(selection, query))
    values = result.values[:, 0].tolist()
    rows: list[list[Any]] = [
        [name, part.layer, part.head, value]
        for name, part, value in zip(bar_names(result.components), result.components, values, strict=True)
    ]
    rows.append(["logit difference", None, None, float(result.logit_difference[0])])
    return Table(f"attribution-{selection.run_id}", ["component", "layer", "head", "push"], rows)


VIEW = View(
    page="inside",
    name="attribution",
    label="Attribution",
    order=2,
    subject=selection_from_request,
    question=Question(
        "The model prefers one next token to another. Which of its parts contribute most to that?",
        tuple(dict.fromkeys(GROUPS.values())),
    ),
    component=BrowserComponent("inside_attribution", "views/attribution/view.js"),
    choose=choose,
    data=data,
    events={"position": _move},
    measured=measured,
    explained=(DIRECT_LOGIT_ATTRIBUTION, LOGIT_DIFFERENCE),
    footer=None,
    routes={"attribution": bars_json},
    table=table,
    sources=lambda selection, query: {"attribution": bars_json(selection, query)},
    next_token=True,
)
