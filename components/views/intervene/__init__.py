"""The view *Intervene*: parts of the model scaled down, or a head's attention overridden, original beside altered."""

from __future__ import annotations

from typing import Any

from components.shared.browser import BrowserComponent
from components.shared.explanations import LOSS
from components.shared.parameters import Query
from components.shared.selection import Selection, selection_from_request
from components.shared.view import Question, Table, View
from components.views.intervene.choices import SETTINGS, choose, describe, intervention_of, keep_off
from components.views.intervene.explanations import ABLATION_EFFECT, ATTENTION_OVERRIDE
from components.views.intervene.figures import ablations_of, both_continuations, effect_of

NEGLIGIBLE = 0.01  # nats: removing a part that costs no more than this hardly changes the loss on this text


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
        "ablations": ablations_of(selection),
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
    events={"off": keep_off},
    measured=None,
    explained=(ABLATION_EFFECT, ATTENTION_OVERRIDE, LOSS),
    footer=None,
    routes={
        "intervene-ablations": lambda selection, query: ablations_of(selection),
        "intervene-effect": lambda selection, query: effect_of(selection, intervention_of(query)),
        "intervene-continuations": lambda selection, query: both_continuations(selection, intervention_of(query)),
    },
    table=table,
    sources=sources,
    next_token=True,
)
