"""The view *Intervene*: parts of the model scaled down, or a head's attention overridden, original beside altered."""

from __future__ import annotations

import math
from typing import Any, cast

import streamlit as st
import torch
from torch import Tensor

from components.shared.browser import BrowserComponent
from components.shared.controls import choose_one, escape_token, remembered
from components.shared.explanations import LOSS
from components.shared.parameters import Query, check_choice, int_param, require_natural
from components.shared.select_box import select_box
from components.shared.selection import Selection, selection_from_request, text_data
from components.shared.session import Address, forget
from components.shared.texts import batch_of_one, token_texts
from components.shared.view import Question, Table, View, require_finite
from components.views.intervene.explanations import ABLATION_EFFECT, ATTENTION_OVERRIDE
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
from llm.runtime.result_cache import ResultCache

KINDS = {"zero": "zero", "mean": "its mean"}
SCALES = ["0", "0.25", "0.5", "0.75", "1", "1.5", "2"]
OVERRIDES = {
    "": "As it is",
    "itself": "To itself",
    "previous": "To the previous token",
    "first": "To the first token",
    "evenly": "Evenly to all",
    "token": "To one token",
}
ALL = "all"  # rows of a pattern
WINDOWS = 4  # of held-out text, over which the mean is taken
TOP = 6  # most likely tokens of each model that are compared
CONTINUATION_TOKENS = 24  # that each model appends
NEGLIGIBLE = 0.01  # nats: removing a part that costs no more than this hardly changes the loss on this text
SETTINGS = (  # in the order of the address
    Address.OFF, Address.KIND, Address.SCALE, Address.ATTENTION, Address.LAYER, Address.HEAD, Address.ROW, Address.KEY,
)  # fmt: skip

_ablations: ResultCache[list[float]] = ResultCache(8)
_effects: ResultCache[dict[str, Any]] = ResultCache(32)
_continuations: ResultCache[list[int]] = ResultCache(32)


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose what is switched off, what replaces it, and whether a head's attention is overridden."""
    settings: dict[str, str] = {Address.OFF: st.query_params.get(Address.OFF, "")}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        settings[Address.KIND] = choose_one(
            "inside", Address.KIND, "Replace what is switched off with", KINDS, "zero",
            help=f"The mean is taken over {WINDOWS} windows of the run's held-out text",
        )  # fmt: skip
        settings[Address.SCALE] = st.select_slider(
            "Scale", SCALES, format_func=_scale_name, key=remembered("inside", Address.SCALE, "0", SCALES), width=240,
            help="0: the part is off. 1: nothing changes. 2: its output is doubled",
        )  # fmt: skip
        settings[Address.ATTENTION] = st.selectbox(
            "Redirect a head's attention", list(OVERRIDES), format_func=OVERRIDES.__getitem__, width=210,
            key=remembered("inside", Address.ATTENTION, "", list(OVERRIDES)),
        )  # fmt: skip
    if settings[Address.ATTENTION]:
        settings |= _choose_edit(selection, settings[Address.ATTENTION])
    settings = {name: settings[name] for name in SETTINGS if settings.get(name)}
    st.query_params.update(settings)
    forget(*(name for name in SETTINGS if name not in settings))
    return selection, settings


def _choose_edit(selection: Selection, override: str) -> dict[str, str]:
    """Choose the head, the rows of its attention pattern, and the token to attend to."""
    config, labels = selection.run().config, selection.labels()
    positions = [str(position) for position in range(len(labels))]
    choices = {
        Address.LAYER: [str(layer) for layer in range(config.n_layers)],
        Address.HEAD: [str(head) for head in range(config.n_heads)],
        Address.ROW: [ALL, *positions],
    } | ({Address.KEY: positions} if override == "token" else {})
    titles = {
        Address.LAYER: "Layer",
        Address.HEAD: "Head",
        Address.ROW: "Which query token",
        Address.KEY: "Which key token",
    }

    def label_of(option: str) -> str:
        return "every token" if option == ALL else f"{option} · {escape_token(labels[int(option)])}"

    chosen: dict[str, str] = {}
    with st.container(horizontal=True):
        for name, allowed in choices.items():
            label, width = (label_of, 200) if name in (Address.ROW, Address.KEY) else (str, 110)
            options = {option: label(option) for option in allowed}
            key = remembered("inside", name, allowed[0], allowed)
            chosen[name] = select_box(titles[name], options, key, width=width)
    return chosen


def _scale_name(scale: str) -> str:
    return {"0": "0 (off)", "1": "1 (as it is)"}.get(scale, scale)


def _switched(off: str | None) -> None:
    """Store which parts are switched off."""
    if off is not None:
        st.query_params[Address.OFF] = off


def intervention_of(query: Query) -> Intervention:
    """Parse the intervention in a query. `off` as "0.1,2.m": layer 0's head 1 and layer 2's MLP.

    Raises:
        ValueError: a parameter is not one of its possible values; whether the parts exist is checked later.
    """
    heads, mlps = [], []
    for name in query.get(Address.OFF, "").split(",")[:4096]:
        index, _, which = name.partition(".")
        if name and which == "m":
            mlps.append(require_natural(Address.OFF, index))
        elif name:
            heads.append((require_natural(Address.OFF, index), require_natural(Address.OFF, which)))
    scale = float(check_choice(Address.SCALE, query.get(Address.SCALE, "0"), SCALES))
    target, override = query.get(Address.ATTENTION, ""), None
    if target:
        row = None if query.get(Address.ROW, ALL) == ALL else int_param(query, Address.ROW)
        layer, head, key = (int_param(query, name) for name in (Address.LAYER, Address.HEAD, Address.KEY))
        target = check_choice(Address.ATTENTION, target, list(filter(None, OVERRIDES)))
        override = AttentionOverride(layer, head, cast(Target, target), row, key)
    mean = query.get(Address.KIND) == "mean"
    return Intervention(tuple(sorted(set(heads))), tuple(sorted(set(mlps))), scale, mean, override)


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script."""
    config = selection.run().config
    settings = {name: query[name] for name in SETTINGS if query.get(name)}
    parts = intervention_of(query)
    return {
        "title": selection.title("Intervene"),
        "labels": selection.labels(),
        "layers": config.n_layers,
        "heads": config.n_heads,
        "group": config.n_heads // config.n_kv_heads,
        "off": [*(f"{layer}.{head}" for layer, head in parts.heads), *(f"{layer}.m" for layer in parts.mlps)],
        "description": describe(parts),
        "negligible": NEGLIGIBLE,
        "sources": {
            "ablations": selection.address("inside/intervene-ablations"),
            "effect": selection.address("inside/intervene-effect", **settings),
            "continuations": selection.address("inside/intervene-continuations", **settings),
        },
    }


def describe(intervention: Intervention) -> str:
    """The intervention in words."""
    parts = [f"head {layer}.{head}" for layer, head in intervention.heads]
    parts += [f"MLP {layer}" for layer in intervention.mlps]
    phrases = []
    if parts:
        instead = f"its mean over {WINDOWS} windows of held-out text" if intervention.mean else "zero"
        how = (
            f"replaced by {instead}"
            if intervention.scale == 0
            else f"moved to {intervention.scale:g} × its distance from {instead}"
        )
        phrases.append(f"{', '.join(parts)}: output {how}")
    if (override := intervention.override) is not None:
        who = "every token" if override.query is None else f"the token at {override.query}"
        target = f"to the token at {override.key}" if override.target == "token" else OVERRIDES[override.target].lower()
        phrases.append(f"head {override.layer}.{override.head}: the attention of {who} goes {target}")
    return "; ".join(phrases) or "Nothing is altered yet: switch a part off"


def ablations_of(selection: Selection) -> list[float]:
    """The effect of ablating each part alone on this text."""
    run = selection.run()

    def compute_effects() -> list[float]:
        steps = ablation_effects.steps(run.model, batch_of_one(selection.tokens))
        return compute.finish(steps).flatten().tolist()

    return _ablations.get((run.folder.path, run.step, selection.tokens), compute_effects)


def effect_of(selection: Selection, intervention: Intervention) -> dict[str, Any]:
    """Losses and next-token probabilities of both models, and the logit difference of the original's top two tokens."""
    run = selection.run()

    def compute_effect() -> dict[str, Any]:
        mean_over = _mean_over(selection, intervention)
        steps = intervention_effect.steps(run.model, batch_of_one(selection.tokens), intervention, mean_over)
        return _compared(selection, compute.finish(steps))

    return _effects.get((run.folder.path, run.step, selection.tokens, intervention), compute_effect)


def _mean_over(selection: Selection, intervention: Intervention) -> Tensor | None:
    return compute.run(text_data(selection).evaluation_windows, WINDOWS)[0] if intervention.mean else None


def _compared(selection: Selection, effect: InterventionEffect) -> dict[str, Any]:
    original, altered = effect.original, effect.altered
    require_finite("Logits", original.logits, original.losses, altered.logits, altered.losses)
    probabilities = [prediction.logits.float().softmax(dim=-1) for prediction in (original, altered)]
    count = min(TOP, len(original.logits))
    likely = torch.stack([values.topk(count).indices for values in probabilities]).flatten().unique()
    likely = likely[probabilities[0][likely].argsort(descending=True)].tolist()
    pair = original.logits.topk(min(2, len(original.logits))).indices.tolist()
    texts = token_texts(selection.run().tokenizer, likely + pair)
    return {
        "loss": [_mean_loss(original), _mean_loss(altered)],
        "losses": [prediction.losses.tolist() for prediction in (original, altered)],
        "next": [[text, *(float(values[token]) for values in probabilities)]
                 for token, text in zip(likely, texts, strict=False)],
        "pair": texts[len(likely):],
        "difference": [float(model.logits[pair[0]] - model.logits[pair[-1]]) for model in (original, altered)],
    }  # fmt: skip


def _mean_loss(prediction: TextPrediction) -> float | None:
    """A text of one token has no loss."""
    loss = float(prediction.losses.mean())
    return loss if math.isfinite(loss) else None


def continuation_of(selection: Selection, intervention: Intervention) -> list[int]:
    """The altered model's greedy continuation, one token per task."""
    run = selection.run()

    def generate() -> list[int]:
        mean_over = _mean_over(selection, intervention)
        steps = greedy_continuation.steps(run.model, selection.tokens, CONTINUATION_TOKENS, intervention, mean_over)
        return compute.finish(steps)

    return _continuations.get((run.folder.path, run.step, selection.tokens, intervention), generate)


def both_continuations(selection: Selection, intervention: Intervention) -> list[list[str]]:
    """The continuations of both models for display."""
    return [
        token_texts(selection.run().tokenizer, continuation_of(selection, each))
        for each in (Intervention(), intervention)
    ]


def _ablations_json(selection: Selection) -> list[float]:
    """A text of one token has no loss, so no part has an effect on it."""
    return ablations_of(selection) if len(selection.tokens) > 1 else []


def table(selection: Selection, query: Query) -> Table:
    """Losses, next-token probabilities and continuations of both models."""
    intervention, labels = intervention_of(query), selection.labels()
    effect, continuations = effect_of(selection, intervention), both_continuations(selection, intervention)
    losses = zip(*effect["losses"], strict=True)
    rows: list[list[Any]] = [["loss of the text", "", "", *effect["loss"]]]
    rows += [["loss of a token", position, labels[position], *pair] for position, pair in enumerate(losses, start=1)]
    rows += [["next-token probability", len(labels), *row] for row in effect["next"]]
    pairs = enumerate(zip(*continuations, strict=True), start=len(labels))
    rows += [["written", position, "", *pair] for position, pair in pairs]
    return Table(f"intervene-{selection.run_id}", ["what", "pos", "token", "original", "altered"], rows)


def sources(selection: Selection, query: Query) -> dict[str, Any]:
    """Contents of an exported page."""
    intervention = intervention_of(query)
    return {
        "ablations": _ablations_json(selection),
        "effect": effect_of(selection, intervention),
        "continuations": both_continuations(selection, intervention),
    }


VIEW = View(
    page="inside",
    name="intervene",
    label="Intervene",
    order=3,
    subject=selection_from_request,
    question=Question(
        "Switch off one head at a time. For how many of this model's heads does the loss on your text hardly change?",
        ("None of them", "A few", "About half", "Nearly all"),
    ),
    component=BrowserComponent("inside_intervene", "views/intervene/view.js"),
    choose=choose,
    data=data,
    events={"off": _switched},
    measured=None,
    explained=(ABLATION_EFFECT, ATTENTION_OVERRIDE, LOSS),
    footer=None,
    routes={
        "intervene-ablations": lambda selection, query: _ablations_json(selection),
        "intervene-effect": lambda selection, query: effect_of(selection, intervention_of(query)),
        "intervene-continuations": lambda selection, query: both_continuations(selection, intervention_of(query)),
    },
    table=table,
    sources=sources,
)
