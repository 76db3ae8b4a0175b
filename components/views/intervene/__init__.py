"""The view *Intervene*: parts of the model turned down, or a head's gaze steered, original beside altered."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

import streamlit as st
import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from torch import Tensor

from components.shared import expect
from components.shared.answers import (
    Answer,
    carry_links,
    choose_one,
    page_file,
    refuse_diverged,
    remembered,
    spelt,
    table_file,
)
from components.shared.browser import BrowserComponent
from components.shared.help import explain
from components.shared.selection import Look, forget, natural, text_data
from components.shared.texts import batch_of_one, token_texts
from llm.interpret.attention_override import AttentionOverride, Target
from llm.interpret.intervention import (
    Intervention,
    InterventionEffect,
    TextPrediction,
    ablation_effects,
    greedy_continuation,
    intervention_effect,
)
from llm.runtime import compute
from llm.runtime.kept import Kept

KEY = "inside-intervene"
KINDS = {"zero": "zero", "mean": "its mean"}
SCALES = ["0", "0.25", "0.5", "0.75", "1", "1.5", "2"]
GAZES = {
    "": "As it is",
    "itself": "To itself",
    "previous": "To the token before",
    "first": "To the first token",
    "evenly": "Evenly to all",
    "token": "To one token",
}
ALL = "all"  # rows of a pattern
WINDOWS = 4  # of held-out text, over which the mean is taken
TOP = 6  # likeliest tokens of each model that are compared
WRITTEN = 24  # tokens that each model appends
NOTICED = 0.01  # nats: a part whose absence costs no more than this is not missed on this text
EXPLAINED = ("ablation", "edited_pattern", "loss")

component = BrowserComponent("inside_intervene", "views/intervene/view.js")
_alone: Kept[list[float]] = Kept(8)
_effects: Kept[dict[str, Any]] = Kept(32)
_texts: Kept[list[int]] = Kept(32)


def show(look: Look) -> None:
    """A switch for each part, what to put in its place, and what follows."""
    config = look.run().config
    heads = config.n_layers * config.n_heads
    question = f"Switch off one of the {heads} heads. How many of them would not be missed on your text, one at a time?"
    if not expect.expect(KEY, question, ["None of them", "A few", "About half", "Nearly all"]):
        return
    state = _choose(look)
    component.mount(key=KEY, data=data_of(look, state, expect.expected(KEY)), on_off_change=_switched)
    explain("What do these figures mean?", *EXPLAINED)


def _choose(look: Look) -> dict[str, str]:
    """The controls, and what they say, as the address holds it."""
    state = {"off": st.query_params.get("off", "")}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state["kind"] = choose_one(
            "inside", "kind", "Replace what is switched off by", KINDS, "zero",
            help=f"The mean is taken over {WINDOWS} windows of the run's held-out text",
        )  # fmt: skip
        state["scale"] = st.select_slider(
            "Turned to", SCALES, format_func=_scale_name, key=remembered("inside", "scale", "0", SCALES), width=240,
            help="0: the part is off. 1: nothing changes. 2: what it adds is doubled",
        )  # fmt: skip
        state["gaze"] = st.selectbox(
            "Steer the gaze of a head", list(GAZES), format_func=GAZES.__getitem__, width=210,
            key=remembered("inside", "gaze", "", list(GAZES)),
        )  # fmt: skip
    if state["gaze"]:
        state |= _choose_edit(look, state["gaze"])
    st.query_params.update({name: value for name, value in state.items() if value})
    forget(*(name for name in ("off", "gaze", "layer", "head", "row", "key") if not state.get(name)))
    return state


def _choose_edit(look: Look, gaze: str) -> dict[str, str]:
    """Which head, which rows of its pattern, and where to."""
    config, labels = look.run().config, look.labels()
    places = [str(position) for position in range(len(labels))]
    choices = {
        "layer": [str(one) for one in range(config.n_layers)],
        "head": [str(one) for one in range(config.n_heads)],
        "row": [ALL, *places],
    } | ({"key": places} if gaze == "token" else {})
    titles = {"layer": "Layer", "head": "Head", "row": "Who looks", "key": "At which token"}

    def named(place: str) -> str:
        return "every token" if place == ALL else f"{place} · {spelt(labels[int(place)])}"

    found = {}
    with st.container(horizontal=True):
        for name, allowed in choices.items():
            found[name] = st.selectbox(
                titles[name], allowed, key=remembered("inside", name, allowed[0], allowed),
                width=110 if len(name) > 3 else 200, format_func=named if name in ("row", "key") else str,
            )  # fmt: skip
    return found


def _scale_name(scale: str) -> str:
    return {"0": "0 (off)", "1": "1 (as it is)"}.get(scale, scale)


def _switched() -> None:
    """A person switched a part on or off."""
    off = st.session_state[KEY].off
    if off is not None:
        st.query_params["off"] = off


def intervention_of(state: Mapping[str, str]) -> Intervention:
    """What an address says. `off` as "0.1,2.m": layer 0's head 1 and layer 2's MLP.

    Raises:
        ValueError: an address that says nothing sensible; whether the parts exist is asked later.
    """
    heads, mlps = [], []
    for part in state.get("off", "").split(",")[:4096]:
        layer, _, which = part.partition(".")
        if part and which == "m":
            mlps.append(_position("off", layer))
        elif part:
            heads.append((_position("off", layer), _position("off", which)))
    if state.get("scale", "0") not in SCALES:
        raise ValueError(f"scale={state['scale'][:40]} is not possible: choose one of {', '.join(SCALES)}")
    gaze, edit = state.get("gaze", ""), None
    if gaze:
        row = state.get("row", ALL)
        edit = AttentionOverride(
            _position("layer", state.get("layer", "0")), _position("head", state.get("head", "0")), cast(Target, gaze),
            None if row == ALL else _position("row", row), _position("key", state.get("key", "0")),
        )  # fmt: skip
    scale = float(state.get("scale", "0"))
    return Intervention(tuple(sorted(set(heads))), tuple(sorted(set(mlps))), scale, state.get("kind") == "mean", edit)


def _position(name: str, text: str) -> int:
    number = natural(text)
    if number is None:
        raise ValueError(f"{name}={text[:40]} is not possible: it must name places by whole numbers of 0 or more")
    return number


def data_of(look: Look, state: Mapping[str, str], guess: str) -> dict[str, Any]:
    """What the view is told. `state`: what the address says; `guess`: what a person expected."""
    config = look.run().config
    asked = {name: value for name, value in state.items() if value}
    parts = intervention_of(state)
    return {
        "title": f"Intervene · run {look.run_id} · step {look.run().step}",
        "labels": look.labels(),
        "layers": config.n_layers,
        "heads": config.n_heads,
        "group": config.n_heads // config.n_kv_heads,
        "off": [*(f"{layer}.{head}" for layer, head in parts.heads), *(f"{layer}.m" for layer in parts.mlps)],
        "said": said(parts),
        "guess": guess,
        "noticed": NOTICED,
        "sources": {
            "alone": look.address("inside/intervene-alone"),
            "effect": look.address("inside/intervene-effect", **asked),
            "written": look.address("inside/intervene-written", **asked),
        },
        "carry": carry_links(look, "inside", "intervene", asked),
    }


def said(change: Intervention) -> str:
    """The intervention in words."""
    parts = [f"head {layer}.{head}" for layer, head in change.heads] + [f"MLP {layer}" for layer in change.mlps]
    words = []
    if parts:
        instead = f"its mean over {WINDOWS} windows of held-out text" if change.mean else "zero"
        how = (
            f"replaced by {instead}"
            if change.scale == 0
            else f"moved to {change.scale:g} × its distance from {instead}"
        )
        words.append(f"{', '.join(parts)}: output {how}")
    if (edit := change.override) is not None:
        who = "every token" if edit.query is None else f"the token at {edit.query}"
        aim = f"to the token at {edit.key}" if edit.target == "token" else GAZES[edit.target].lower()
        words.append(f"head {edit.layer}.{edit.head}: {who} looks {aim}")
    return "; ".join(words) or "Nothing is altered yet: switch a part off"


def alone_of(look: Look) -> list[float]:
    """What each part alone is worth on this text, a task each."""
    run = look.run()
    key = (run.folder.path, run.step, look.tokens)

    def make() -> list[float]:
        steps = ablation_effects.steps(run.model, batch_of_one(look.tokens))
        return compute.finish(steps).flatten().tolist()

    return _alone.get(key, make)


def effect_of(look: Look, change: Intervention) -> dict[str, Any]:
    """Losses and next-token probabilities of both models, and the logit difference of the original's two favourites."""
    run = look.run()

    def make() -> dict[str, Any]:
        steps = intervention_effect.steps(run.model, batch_of_one(look.tokens), change, _mean_over(look, change))
        return _compared(look, compute.finish(steps))

    return _effects.get((run.folder.path, run.step, look.tokens, change), make)


def _mean_over(look: Look, change: Intervention) -> Tensor | None:
    return compute.run(text_data(look).evaluation_windows, WINDOWS)[0] if change.mean else None


def _compared(look: Look, effect: InterventionEffect) -> dict[str, Any]:
    original, altered = effect.original, effect.altered
    refuse_diverged("guesses are no numbers", original.logits, original.losses, altered.logits, altered.losses)
    probabilities = [one.logits.float().softmax(dim=-1) for one in (original, altered)]
    count = min(TOP, len(original.logits))
    favourites = torch.stack([one.topk(count).indices for one in probabilities]).flatten().unique()
    favourites = favourites[probabilities[0][favourites].argsort(descending=True)].tolist()
    pair = original.logits.topk(min(2, len(original.logits))).indices.tolist()
    texts = token_texts(look.run().tokenizer, favourites + pair)
    return {
        "loss": [_mean(original), _mean(altered)],
        "losses": [one.losses.tolist() for one in (original, altered)],
        "next": [[text, *(float(one[token]) for one in probabilities)]
                 for token, text in zip(favourites, texts, strict=False)],
        "pair": texts[len(favourites):],
        "difference": [float(one.logits[pair[0]] - one.logits[pair[-1]]) for one in (original, altered)],
    }  # fmt: skip


def _mean(prediction: TextPrediction) -> float | None:
    """A text of one token has no loss."""
    loss = float(prediction.losses.mean())
    return loss if math.isfinite(loss) else None


def written_of(look: Look, change: Intervention) -> list[int]:
    """What the altered model appends, always its likeliest token, a task each."""
    run = look.run()

    def make() -> list[int]:
        steps = greedy_continuation.steps(run.model, look.tokens, WRITTEN, change, _mean_over(look, change))
        return compute.finish(steps)

    return _texts.get((run.folder.path, run.step, look.tokens, change), make)


def both_written(look: Look, change: Intervention) -> list[list[str]]:
    """The continuations of both models for display."""
    return [token_texts(look.run().tokenizer, written_of(look, one)) for one in (Intervention(), change)]


def _asked(request: Request) -> Intervention:
    return intervention_of(request.query_params)


def _csv(look: Look, request: Request) -> Response:
    change, labels = _asked(request), look.labels()
    found, written = effect_of(look, change), both_written(look, change)
    losses = zip(*found["losses"], strict=True)
    rows: list[list[Any]] = [["loss of the text", "", "", *found["loss"]]]
    rows += [["loss of a token", position, labels[position], *pair] for position, pair in enumerate(losses, start=1)]
    rows += [["next-token probability", len(labels), *row] for row in found["next"]]
    rows += [["written", len(labels) + place, "", *pair] for place, pair in enumerate(zip(*written, strict=True))]
    return table_file(f"intervene-{look.run_id}", ["what", "pos", "token", "original", "altered"], rows)


def _html(look: Look, request: Request) -> Response:
    change = _asked(request)
    data = data_of(look, dict(request.query_params), "") | {"kept": True}
    alone = alone_of(look) if len(look.tokens) > 1 else []
    sources = {
        "alone": json.dumps(alone).encode(),
        "effect": json.dumps(effect_of(look, change)).encode(),
        "written": json.dumps(both_written(look, change)).encode(),
    }
    return page_file(look, component, data, sources, EXPLAINED)


ANSWERS: dict[str, Answer] = {
    "intervene-alone": lambda look, _: JSONResponse(alone_of(look) if len(look.tokens) > 1 else []),
    "intervene-effect": lambda look, request: JSONResponse(effect_of(look, _asked(request))),
    "intervene-written": lambda look, request: JSONResponse(both_written(look, _asked(request))),
    "intervene.csv": _csv,
    "intervene.html": _html,
}
