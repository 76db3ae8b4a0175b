"""The view *Attribution*: how far each part of the model pushes one token over another, as bars with a true sum."""

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
    page_file,
    refuse_diverged,
    spelt,
    table_file,
    whole,
)
from components.shared.browser import BrowserComponent
from components.shared.help import explain
from components.shared.selection import Look, forget, natural
from components.shared.texts import batch_of_one
from components.views.lens import lens_of
from llm.interpret.decomposition import Component
from llm.interpret.direct_logit_attribution import Attribution, direct_logit_attribution
from llm.runtime import compute
from llm.runtime.kept import Kept

KEY = "inside-attribution"
FEW = 30  # bars that one can take in; the smaller ones stand as one, unless all are wanted
ORDERS = {"size": "by size", "layer": "by layer"}
EXPLAINED = ("direct_attribution", "logit")
GROUPS = {
    "token": "The embeddings",
    "position": "The embeddings",
    "head": "The attention heads",
    "mlp": "The MLPs",
    "attention bias": "The biases",
    "norm bias": "The biases",
}

component = BrowserComponent("inside_attribution", "views/attribution/view.js")
_attributions: Kept[Attribution] = Kept(8)


def show(look: Look) -> None:
    """Position and pair of tokens, and the bars."""
    question = "The model prefers one next token to another. Which parts of it push hardest?"
    if not expect.expect(KEY, question, list(dict.fromkeys(GROUPS.values()))):
        return
    if st.session_state.get("inside-pair-of", look.run_id) != look.run_id:
        forget("token", "against")  # another model's
    st.session_state["inside-pair-of"] = look.run_id
    position = _known("position", len(look.tokens))
    position = len(look.tokens) - 1 if position is None else position
    with states.loading("Reading every layer"):
        pair = pair_of(look, position, _known("token", look.run().config.d_vocab),
                       _known("against", look.run().config.d_vocab))  # fmt: skip
        parts = len(attribution_of(look, position, pair).components)
    st.query_params["position"] = str(position)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choose_token(look, position, "Towards", "token", pair[0])
        choose_token(look, position, "Rather than", "against", pair[1])
        order = choose_one("inside", "order", "Order", ORDERS, "size")
        every = parts > FEW and st.toggle(f"All {parts} bars", st.query_params.get("all") == "1", key="inside-all")
    st.query_params["all"] = str(int(every))
    if unknown := st.session_state.pop("inside-unknown", None):
        states.failed(unknown)
    component.mount(key=KEY, data=data_of(look, position, pair, order, every), on_position_change=_move)
    if guess := expect.expected(KEY):
        st.markdown(f"You expected: **{guess.lower()}**. {hardest(look, position, pair)}")
    explain("What do these figures mean?", *EXPLAINED)


def pair_of(look: Look, position: int, token: int | None, against: int | None) -> tuple[int, int]:
    """The chosen pair. Without a choice: the true next token, or the top guess, against the likeliest other one."""
    guesses = [token for token, _ in guesses_at(look, position)]
    if token is None:
        token = look.tokens[position + 1] if position + 1 < len(look.tokens) else guesses[0]
    if against is None:
        against = next((guess for guess in guesses if guess != token), token)
    return token, against


def guesses_at(look: Look, position: int) -> list[tuple[int, float]]:
    """The model's likeliest next tokens and their probabilities: the lens's last row is its output."""
    lens = lens_of(look)
    tokens, probabilities = lens.top_tokens[-1, 0, position], lens.top_probabilities[-1, 0, position]
    return list(zip(tokens.tolist(), probabilities.tolist(), strict=True))


def choose_token(look: Look, position: int, label: str, name: str, token: int) -> None:
    """A choice among the likeliest next tokens, the true one, or any that one types."""
    probabilities = dict(guesses_at(look, position))
    truth = look.tokens[position + 1 : position + 2]
    tokenizer = look.run().tokenizer

    def named(option: int) -> str:
        share = f" · {probabilities[option]:.1%}" if option in probabilities else ""
        return spelt(tokenizer.token_text(option)) + share + (" · true next" if option in truth else "")

    key = f"inside-{name}"
    st.session_state[key] = token
    st.selectbox(
        label, list(dict.fromkeys([*truth, *probabilities, token])), format_func=named, key=key, width=210,
        accept_new_options=True, on_change=_choose, args=(look, name),
        help="Or type another token (· for a space); of a longer text the first token is taken",
    )  # fmt: skip


def attribution_of(look: Look, position: int, pair: tuple[int, int]) -> Attribution:
    """Every component's push at a position."""
    run = look.run()

    def make() -> Attribution:
        found = compute.run(direct_logit_attribution, run.model, batch_of_one(look.tokens), pair, position)
        refuse_diverged("logits are no numbers", found.values)
        return found

    return _attributions.get((run.folder.path, run.step, look.tokens, position, pair), make)


def titles(parts: list[Component]) -> list[str]:
    """The components' names on their bars."""
    return [_title(part, before.kind) for before, part in zip([parts[0], *parts], parts, strict=False)]


def _title(part: Component, before: str) -> str:
    """A name; two norms of a post-norm layer are told apart by what stands before."""
    sublayer = "MLP" if before == "mlp" else "attention"
    places = {
        "token": "Token embedding",
        "position": "Position vector",
        "head": f"Layer {part.layer} · head {part.head}",
        "mlp": f"Layer {part.layer} · MLP",
        "attention bias": f"Layer {part.layer} · attention's bias",
        "norm bias": "Final norm's bias" if part.layer is None else f"Layer {part.layer} · bias after {sublayer}",
    }
    return places[part.kind]


def as_json(look: Look, position: int, pair: tuple[int, int]) -> dict[str, Any]:
    """Bars in the order of the layers, and the difference that the model itself computed."""
    found = attribution_of(look, position, pair)
    values = found.values[:, 0].tolist()
    return {
        "bars": [
            {"name": name, "group": GROUPS[part.kind], "value": value}
            for name, part, value in zip(titles(found.components), found.components, values, strict=True)
        ],
        "difference": float(found.logit_difference[0]),
    }


def hardest(look: Look, position: int, pair: tuple[int, int]) -> str:
    """Which group of parts pushes hardest, in a sentence."""
    found = as_json(look, position, pair)
    totals = dict.fromkeys(GROUPS.values(), 0.0)
    for bar in found["bars"]:
        totals[bar["group"]] += bar["value"]
    group = max(totals, key=lambda one: abs(totals[one]))
    return (
        f"Measured: **{group.lower()}** push hardest, {totals[group]:+.2f} of a logit difference of "
        f"{found['difference']:+.2f}."
    )


def data_of(look: Look, position: int, pair: tuple[int, int], order: str, every: bool) -> dict[str, Any]:
    """What the view is told."""
    tokenizer = look.run().tokenizer
    place: dict[str, int | str] = {"position": position, "token": pair[0], "against": pair[1]}
    return {
        "title": f"Attribution · run {look.run_id} · step {look.run().step}",
        "labels": look.labels(),
        "own": look.own,
        "position": position,
        "pair": [tokenizer.token_text(token) for token in pair],
        "order": order,
        "groups": list(dict.fromkeys(GROUPS.values())),
        "few": None if every else FEW,
        "sources": {"attribution": look.address("inside/attribution", **place)},
        "carry": carry_links(look, "inside", "attribution", place | {"order": order, "all": int(every)}),
    }


def _known(name: str, below: int) -> int | None:
    """A whole number of the page's address, if it is below a limit."""
    number = natural(st.query_params.get(name, ""))
    return number if number is not None and number < below else None


def _move() -> None:
    """Another position, where another pair is worth a look."""
    position = st.session_state[KEY].position
    if position is not None:
        st.query_params["position"] = str(position)
        forget("token", "against")


def _choose(look: Look, name: str) -> None:
    """A token was chosen from the list, or typed."""
    token = st.session_state[f"inside-{name}"]
    if isinstance(token, str):
        try:
            token = typed(look, token)
        except ValueError as error:
            st.session_state["inside-unknown"] = str(error)
            return
    st.query_params[name] = str(token)


def typed(look: Look, text: str) -> int:
    """The first token of what was typed. Raises ValueError where the tokenizer cannot read it."""
    found = look.run().tokenizer.encode(text.replace("·", " "))
    if not found:
        raise ValueError("Nothing was typed: type at least one character")
    return found[0]


def _asked(look: Look, request: Request) -> tuple[int, tuple[int, int]]:
    """Position and pair of a request. Raises ValueError for those that do not exist."""
    position = whole(request, "position", len(look.tokens) - 1)
    if position >= len(look.tokens):
        raise ValueError(f"position {position} does not exist: this text's positions are 0 to {len(look.tokens) - 1}")
    token, against = (whole(request, name) if name in request.query_params else None for name in ("token", "against"))
    return position, pair_of(look, position, token, against)


def _csv(look: Look, request: Request) -> Response:
    position, pair = _asked(look, request)
    found = attribution_of(look, position, pair)
    rows: list[list[Any]] = [
        [name, part.layer, part.head, value]
        for name, part, value in zip(
            titles(found.components), found.components, found.values[:, 0].tolist(), strict=True
        )
    ]
    rows.append(["logit difference", None, None, float(found.logit_difference[0])])
    return table_file(f"attribution-{look.run_id}", ["component", "layer", "head", "push"], rows)


def _html(look: Look, request: Request) -> Response:
    position, pair = _asked(look, request)
    order = request.query_params.get("order", "size")
    data = data_of(look, position, pair, order, request.query_params.get("all") == "1")
    return page_file(
        look, component, data, {"attribution": json.dumps(as_json(look, position, pair)).encode()}, EXPLAINED
    )


ANSWERS: dict[str, Answer] = {
    "attribution": lambda look, request: JSONResponse(as_json(look, *_asked(look, request))),
    "attribution.csv": _csv,
    "attribution.html": _html,
}
