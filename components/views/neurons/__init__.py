"""The view *Neurons*: the places of the run's own text that excite one hidden number of an MLP most, and its effect."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from torch import Tensor

from components.shared import expect
from components.shared.answers import Answer, carry_links, page_file, remembered, table_file, whole
from components.shared.browser import BrowserComponent
from components.shared.help import explain
from components.shared.selection import Look, natural, text_data
from components.shared.texts import token_texts
from llm.interpret.max_activating_examples import MaxActivatingExamples, max_activating_examples
from llm.interpret.neuron_effect import neuron_effect
from llm.interpret.recording import record
from llm.runtime import compute
from llm.runtime.kept import Kept

KEY = "inside-neurons"
NEURON = "inside-neuron"  # the control
MOMENTS = 10
EFFECTS = 10  # tokens raised and lowered most
PART = 16_384  # tokens that are read at a time, each part shown as it comes
PARTS = 4
AT_ONCE = 2048  # tokens in a task: a training run goes on in between
BEFORE, AFTER = 28, 10  # tokens around a moment
EXPLAINED = ("neuron", "neuron_effect")

component = BrowserComponent("inside_neurons", "views/neurons/view.js")
_parts: Kept[MaxActivatingExamples] = Kept(64)


def show(look: Look) -> None:
    """One neuron: what excites it, and what it argues for."""
    question = "Take any neuron. What will its most exciting places in the text have in common?"
    answers = ["One and the same token", "Words of one kind", "What stood before", "Nothing one can name"]
    if not expect.expect(KEY, question, answers):
        return
    config = look.run().config
    layers = [str(one) for one in range(config.n_layers)]
    if not 0 <= st.session_state.get(NEURON, -1) < config.d_mlp:
        wanted = natural(st.query_params.get("neuron", "0")) or 0
        st.session_state[NEURON] = min(wanted, config.d_mlp - 1)
    with st.container(horizontal=True):
        layer = st.selectbox("Layer", layers, key=remembered("inside", "layer", layers[-1], layers), width=110)
        neuron = st.number_input(f"Neuron, 0 to {config.d_mlp - 1}", 0, config.d_mlp - 1, step=1, key=NEURON, width=190)
    st.query_params["layer"], st.query_params["neuron"] = layer, str(neuron)
    data = data_of(look, int(layer), neuron, expect.expected(KEY))
    component.mount(key=KEY, data=data, on_neuron_change=_move)
    explain("What do these figures mean?", *EXPLAINED)


def _move() -> None:
    """A person went on to the next neuron, or back."""
    if st.session_state[KEY].neuron is not None:
        st.session_state[NEURON] = st.session_state[KEY].neuron


def data_of(look: Look, layer: int, neuron: int, guess: str) -> dict[str, Any]:
    """What the view is told."""
    place = {"layer": layer, "neuron": neuron}
    parts, length = parts_of(look)
    weights = replace(look, tokens=look.tokens[:1], own=0)  # the text that is read here is the run's own
    return {
        "title": f"Layer {layer}, neuron {neuron} · run {look.run_id} · step {look.run().step}",
        "layer": layer,
        "neuron": neuron,
        "neurons": look.run().config.d_mlp,
        "parts": parts,
        "partTokens": length,
        "moments": MOMENTS,
        "guess": guess,
        "sources": {
            "effect": weights.address("inside/neurons-effect", **place),
            "snippets": weights.address("inside/neurons-snippets", **place),
            **{f"part/{part}": weights.address("inside/neurons-part", **place, part=part) for part in range(parts)},
        },
        "carry": carry_links(look, "inside", "neurons", place),
    }


def parts_of(look: Look) -> tuple[int, int]:
    """In how many parts the text is read, and the tokens of each: whole windows of context."""
    n_ctx = look.run().config.n_ctx
    length = max(1, PART // n_ctx) * n_ctx
    return min(PARTS, max(1, len(text_data(look).train) // length)), length


def examples_of(look: Look, layer: int, part: int) -> MaxActivatingExamples:
    """The moments of all neurons of a layer in one part of the text, a few windows a task."""
    run = look.run()
    parts, length = parts_of(look)
    if part >= parts:
        raise ValueError(f"part {part} does not exist: the text's parts are 0 to {parts - 1}")

    def make() -> MaxActivatingExamples:
        stream = text_data(look).train[part * length : (part + 1) * length]
        batch = max(1, AT_ONCE // run.config.n_ctx)
        found = compute.finish(max_activating_examples.steps(run.model, layer, stream, MOMENTS, batch))
        return MaxActivatingExamples(found.activation, found.position + part * length)

    return _parts.get((run.folder.path, run.step, layer, part), make)


def moments_of(look: Look, layer: int, neuron: int, part: int) -> list[list[float]]:
    """Strength and position in the text of a neuron's strongest moments in one part."""
    found = examples_of(look, layer, part)
    if neuron >= found.activation.shape[1]:
        raise ValueError(f"neuron {neuron} does not exist: a layer's neurons are 0 to {found.activation.shape[1] - 1}")
    activation = found.activation[:, neuron]
    if not activation.isfinite().all():
        raise ValueError("This neuron's activity is no number: the weights diverged. Look at an earlier step")
    return [list(both) for both in zip(activation.tolist(), found.position[:, neuron].tolist(), strict=True)]


def strongest(look: Look, layer: int, neuron: int) -> list[int]:
    """The positions of a neuron's strongest moments in all parts."""
    moments = [one for part in range(parts_of(look)[0]) for one in moments_of(look, layer, neuron, part)]
    return [int(position) for _, position in sorted(moments, key=lambda one: -one[0])[:MOMENTS]]


def snippets_of(look: Look, layer: int, neuron: int, positions: list[int]) -> list[dict[str, Any]]:
    """The tokens around each position and the neuron's activity at each of them, in the window that it was read in."""
    run, stream = look.run(), text_data(look).train
    window = min(run.config.n_ctx, len(stream))
    name = f"blocks.{layer}.mlp.hidden"
    found = []
    for position in positions:
        if position >= len(stream) // window * window:
            raise ValueError(f"position {position} does not exist in the windows of this text")
        start = position // window * window
        tokens = stream[start : start + window]
        values: Tensor = compute.run(record, run.model, tokens[None], [name])[name][0, :, neuron]
        first, end = max(0, position - start - BEFORE), position - start + AFTER + 1
        found.append(
            {
                "position": position,
                "peak": position - start - first,
                "tokens": token_texts(run.tokenizer, tokens[first:end].tolist()),
                "values": values[first:end].tolist(),
            }
        )
    return found


def effect_of(look: Look, layer: int, neuron: int) -> dict[str, list[list[Any]]]:
    """The tokens that the neuron raises and lowers most, and by how much a unit of its activity does so."""
    run = look.run()
    found = compute.run(neuron_effect, run.model, layer, neuron, EFFECTS)
    sides = {"raised": (found.raised, found.raised_by), "lowered": (found.lowered, found.lowered_by)}
    return {
        name: [list(pair) for pair in zip(token_texts(run.tokenizer, tokens.tolist()), by.tolist(), strict=True)]
        for name, (tokens, by) in sides.items()
    }


def _place(look: Look, request: Request) -> tuple[int, int]:
    layer, neuron = whole(request, "layer"), whole(request, "neuron")
    config = look.run().config
    for name, value, limit in (("layer", layer, config.n_layers), ("neuron", neuron, config.d_mlp)):
        if value >= limit:
            raise ValueError(f"{name} {value} does not exist: this model's are 0 to {limit - 1}")
    return layer, neuron


def _part(look: Look, request: Request) -> Response:
    return JSONResponse(moments_of(look, *_place(look, request), whole(request, "part")))


def _snippets(look: Look, request: Request) -> Response:
    parts = request.query_params.get("at", "").split(".")
    if len(parts) > MOMENTS or not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts):
        raise ValueError(f"at must be 1 to {MOMENTS} positions with dots between them")
    return JSONResponse(snippets_of(look, *_place(look, request), [int(part) for part in parts]))


def _csv(look: Look, request: Request) -> Response:
    layer, neuron = _place(look, request)
    rows: list[list[Any]] = []
    for rank, one in enumerate(snippets_of(look, layer, neuron, strongest(look, layer, neuron)), start=1):
        first = one["position"] - one["peak"]
        rows += [["moment", rank, first + at, token, value]
                 for at, (token, value) in enumerate(zip(one["tokens"], one["values"], strict=True))]  # fmt: skip
    for name, tokens in effect_of(look, layer, neuron).items():
        rows += [[name, rank, "", token, by] for rank, (token, by) in enumerate(tokens, start=1)]
    header = ["what", "rank", "pos", "token", "value"]
    return table_file(f"neuron-{layer}-{neuron}-{look.run_id}", header, rows)


def _html(look: Look, request: Request) -> Response:
    layer, neuron = _place(look, request)
    data = data_of(look, layer, neuron, "") | {"kept": True}
    found: dict[str, Any] = {
        "effect": effect_of(look, layer, neuron),
        "snippets": snippets_of(look, layer, neuron, strongest(look, layer, neuron)),
    } | {f"part/{part}": moments_of(look, layer, neuron, part) for part in range(data["parts"])}
    return page_file(look, component, data, {name: json.dumps(one).encode() for name, one in found.items()}, EXPLAINED)


ANSWERS: dict[str, Answer] = {
    "neurons-part": _part,
    "neurons-snippets": _snippets,
    "neurons-effect": lambda look, request: JSONResponse(effect_of(look, *_place(look, request))),
    "neurons.csv": _csv,
    "neurons.html": _html,
}
