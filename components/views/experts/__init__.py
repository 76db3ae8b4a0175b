"""The view *Experts*: which experts each token goes to in each layer, what each likes, and its load in training."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch

from components.shared.browser import BrowserComponent
from components.shared.controls import remember_locked, remembered
from components.shared.parameters import Query, int_param, parse_indices
from components.shared.selection import Selection, selection_from_request, text_data
from components.shared.session import Address
from components.shared.texts import batch_of_one, token_texts
from components.shared.view import Question, Table, View, require_finite
from components.views.experts.explanations import EXPERT_TOKENS, EXPERT_WEIGHTS, LOAD
from llm.interpret.expert_routing import ExpertTokens, expert_tokens, expert_weights
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

FIRST = "first"  # the colour is the weight of a token's first expert, whichever that is
READ = 16_384  # tokens of the run's text in which an expert's tokens are counted
POINTS = 200  # of a line over the steps

_tokens: ResultCache[ExpertTokens] = ResultCache(8)


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose the expert whose weight is the colour."""
    colours = [FIRST, *(str(expert) for expert in range(selection.run().config.n_experts))]
    colour = FIRST
    if len(colours) > 1:
        key = remembered("inside", Address.COLOUR, FIRST, colours)
        colour = st.selectbox("Colour: the weight of", colours, format_func=_name, key=key, persist_state="session",
                              width=260)  # fmt: skip
        st.query_params[Address.COLOUR] = colour
    return selection, {Address.COLOUR: colour, Address.LOCKED: st.query_params.get(Address.LOCKED, "")}


def _name(colour: str) -> str:
    return "each token's first expert" if colour == FIRST else f"expert {colour}"


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script. `expert`: whose weight is the colour; None: of each token's first one."""
    config, colour = selection.run().config, query.get(Address.COLOUR, FIRST)
    layers = range(config.n_layers)
    parts = {f"tokens/{layer}": selection.address("inside/experts-tokens", layer=layer) for layer in layers}
    return {
        "title": selection.title("Experts"),
        "labels": selection.labels(),
        "layers": config.n_layers,
        "experts": config.n_experts,
        "shared": config.n_shared_experts,
        "expert": int(colour) if colour.isdecimal() and int(colour) < config.n_experts else None,
        "locked": parse_indices(query.get(Address.LOCKED, ""), (config.n_layers, len(selection.tokens))),
        "step": selection.run().step,
        "sources": {
            "routing": selection.address("inside/experts-routing"),
            "load": selection.address("inside/experts-load"),
            **(parts if config.n_experts else {}),
        },
    }


def routing_json(selection: Selection) -> list[list[list[list[float]]]]:
    """Of each layer and token the experts that compute it, [expert, weight], the greatest weight first."""
    run = selection.run()
    if run.config.n_experts == 0:
        return []
    weights = compute.run(expert_weights, run.model, batch_of_one(selection.tokens))[:, 0]  # [layer, pos, expert]
    require_finite("The routers' weights", weights)
    largest, experts = weights.topk(run.config.experts_per_token)  # [layer, pos, choice]
    pairs = torch.stack([experts, (10_000 * largest).round() / 10_000], dim=-1)  # [layer, pos, choice, 2]
    routing: list[list[list[list[float]]]] = pairs.double().tolist()
    return routing


def tokens_of(selection: Selection) -> ExpertTokens:
    """What each expert likes in the beginning of the run's training text, a few windows per task."""
    run = selection.run()

    def count() -> ExpertTokens:
        stream, n_ctx = text_data(selection).train[:READ], run.config.n_ctx
        windows = stream[: max(1, len(stream) // n_ctx) * n_ctx]  # a text shorter than the context is one window
        return compute.finish(expert_tokens.steps(run.model, windows.view(-1, min(n_ctx, len(windows)))))

    return _tokens.get((run.folder.path, run.step), count)


def tokens_json(selection: Selection, layer: int) -> list[list[list[Any]]]:
    """Of each expert of a layer: token, fraction of its occurrences that went there, and how often it occurred."""
    config = selection.run().config
    if layer >= config.n_layers or config.n_experts == 0:
        raise ValueError(f"layer must be in 0 to {config.n_layers - 1}, of a model with experts, got {layer}")
    found, tokenizer = tokens_of(selection), selection.run().tokenizer
    return [
        [list(row) for row in zip(token_texts(tokenizer, tokens), fractions, times, strict=True) if row[2] > 0]
        for tokens, fractions, times in zip(
            found.tokens[layer].tolist(), found.fraction[layer].tolist(), found.occurred[layer].tolist(), strict=True
        )
    ]


def load_json(selection: Selection) -> dict[str, Any]:
    """Load of each expert and router entropy, [layer][expert][point] and [layer][point], at evenly spaced steps."""
    rows = [row for row in selection.run().folder.read_metrics().rows if row.get("experts")]
    rows = rows[:: max(1, -(-len(rows) // POINTS))]
    loads = [row["experts"].get("load") or [] for row in rows]
    entropies = [row["experts"].get("router_entropy") or [] for row in rows]
    return {
        "steps": [row["step"] for row in rows],
        "load": [[list(expert) for expert in zip(*layer, strict=False)] for layer in zip(*loads, strict=False)],
        "entropy": [list(layer) for layer in zip(*entropies, strict=False)],
    }


def measured(selection: Selection, query: Query) -> str:
    """How many experts the tokens of the text have as their first one, in the last layer."""
    routing = routing_json(selection)
    if not routing:
        return "Measured: this model has no experts, so one MLP computes all tokens."
    used = {int(token[0][0]) for token in routing[-1]}
    return (
        f"Measured: in the last layer **{len(used)}** of {selection.run().config.n_experts} experts are the first one "
        f"of some token, for {len(selection.tokens)} tokens."
    )


def table(selection: Selection, query: Query) -> Table:
    """A row for each layer, token and expert that computes it."""
    labels = selection.labels()
    rows = [
        [layer, position, labels[position], rank, int(expert), weight]
        for layer, tokens in enumerate(routing_json(selection))
        for position, experts in enumerate(tokens)
        for rank, (expert, weight) in enumerate(experts, start=1)
    ]
    return Table(f"experts-{selection.run_id}", ["layer", "pos", "token", "rank", "expert", "weight"], rows)


def sources(selection: Selection, query: Query) -> dict[str, Any]:
    """Contents of an exported page."""
    config = selection.run().config
    layers = range(config.n_layers if config.n_experts else 0)
    return {
        "routing": routing_json(selection),
        "load": load_json(selection),
        **{f"tokens/{layer}": tokens_json(selection, layer) for layer in layers},
    }


VIEW = View(
    page="inside",
    name="experts",
    label="Experts",
    order=8,
    subject=selection_from_request,
    question=Question(
        "A router sends each token to a few of many MLPs, its experts. How many experts does your text use?",
        ("One or two for all of it", "About half of them", "All, or nearly all"),
    ),
    component=BrowserComponent("inside_experts", "views/experts/view.js"),
    choose=choose,
    data=data,
    events={"locked": remember_locked},
    measured=measured,
    explained=(EXPERT_WEIGHTS, EXPERT_TOKENS, LOAD),
    footer=None,
    routes={
        "experts-routing": lambda selection, query: routing_json(selection),
        "experts-load": lambda selection, query: load_json(selection),
        "experts-tokens": lambda selection, query: tokens_json(selection, int_param(query, Address.LAYER)),
    },
    table=table,
    sources=sources,
)
