"""The view *Neurons*: the tokens of the run's own text that activate an MLP neuron most, and its effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st
from torch import Tensor

from components.shared.browser import BrowserComponent
from components.shared.controls import remembered
from components.shared.parameters import Query, int_param, parse_natural
from components.shared.selection import Selection, selection_from_request, text_data
from components.shared.session import Address, control_key
from components.shared.texts import token_texts
from components.shared.view import Question, Table, View, require_finite
from components.views.neurons.explanations import MAX_ACTIVATING_EXAMPLES, NEURON_EFFECT
from llm.interpret.max_activating_examples import MaxActivatingExamples, max_activating_examples
from llm.interpret.neuron_effect import neuron_effect
from llm.interpret.recording import check_neurons, record
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

NEURON = control_key("inside", Address.NEURON)
EXAMPLES = 10  # strongest activations
EFFECTS = 10  # tokens raised and lowered most
PART = 16_384  # tokens read at a time; each part is shown as soon as it has been read
PARTS = 4
AT_ONCE = 2048  # tokens per task: a training run continues between tasks
BEFORE, AFTER = 28, 10  # tokens shown around the strongest one

_parts: ResultCache[MaxActivatingExamples] = ResultCache(64)


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose the layer and the neuron."""
    config = selection.run().config
    check_neurons(config)
    layers = [str(layer) for layer in range(config.n_layers)]
    if not 0 <= st.session_state.get(NEURON, -1) < config.d_mlp:
        wanted = parse_natural(st.query_params.get(Address.NEURON, "0")) or 0
        st.session_state[NEURON] = min(wanted, config.d_mlp - 1)
    with st.container(horizontal=True):
        key = remembered("inside", Address.LAYER, layers[-1], layers)
        layer = st.selectbox("Layer", layers, key=key, persist_state="session", width=110)
        neuron = st.number_input(f"Neuron, 0 to {config.d_mlp - 1}", 0, config.d_mlp - 1, step=1, key=NEURON, width=190)
    st.query_params[Address.LAYER], st.query_params[Address.NEURON] = layer, str(neuron)
    return selection, {Address.LAYER: layer, Address.NEURON: str(neuron)}


def _move(neuron: int | None) -> None:
    """Show the next neuron, or the previous one."""
    if neuron is not None:
        st.session_state[NEURON] = neuron


def layer_and_neuron(selection: Selection, query: Query) -> tuple[int, int]:
    """The layer and neuron in the query. Raises ValueError if they do not exist."""
    config = selection.run().config
    layer, neuron = int_param(query, Address.LAYER), int_param(query, Address.NEURON)
    for name, value, limit in ((Address.LAYER, layer, config.n_layers), (Address.NEURON, neuron, config.d_mlp)):
        if value >= limit:
            raise ValueError(f"{name} must be in 0 to {limit - 1}, got {value}")
    return layer, neuron


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script."""
    layer, neuron = layer_and_neuron(selection, query)
    shown = {Address.LAYER: layer, Address.NEURON: neuron}
    parts, length = parts_of(selection)
    weights = replace(selection, tokens=selection.tokens[:1], own=0)  # this view reads the run's training text
    return {
        "title": selection.title(f"Layer {layer}, neuron {neuron}"),
        "layer": layer,
        "neuron": neuron,
        "neurons": selection.run().config.d_mlp,
        "parts": parts,
        "partTokens": length,
        "examples": EXAMPLES,
        "sources": {
            "effect": weights.address("inside/neurons-effect", **shown),
            "snippets": weights.address("inside/neurons-snippets", **shown),
            **{f"part/{part}": weights.address("inside/neurons-part", **shown, part=part) for part in range(parts)},
        },
    }


def parts_of(selection: Selection) -> tuple[int, int]:
    """The number of parts in which the text is read, and the tokens in each: whole context windows."""
    n_ctx = selection.run().config.n_ctx
    length = max(1, PART // n_ctx) * n_ctx
    return min(PARTS, max(1, len(text_data(selection).train) // length)), length


def examples_of(selection: Selection, layer: int, part: int) -> MaxActivatingExamples:
    """The strongest activations of all neurons of a layer in one part of the text, a few windows per task."""
    run = selection.run()
    parts, length = parts_of(selection)
    if part >= parts:
        raise ValueError(f"part must be in 0 to {parts - 1}, the parts of the text, got {part}")

    def find_examples() -> MaxActivatingExamples:
        stream = text_data(selection).train[part * length : (part + 1) * length]
        batch = max(1, AT_ONCE // run.config.n_ctx)
        examples = compute.finish(max_activating_examples.steps(run.model, layer, stream, EXAMPLES, batch))
        return MaxActivatingExamples(examples.activation, examples.position + part * length)

    return _parts.get((run.folder.path, run.step, layer, part), find_examples)


def examples_json(selection: Selection, layer: int, neuron: int, part: int) -> list[list[float]]:
    """Activation and position in the text of a neuron's strongest activations in one part."""
    examples = examples_of(selection, layer, part)
    if neuron >= examples.activation.shape[1]:
        raise ValueError(f"neuron must be in 0 to {examples.activation.shape[1] - 1}, got {neuron}")
    activation = examples.activation[:, neuron]
    require_finite("This neuron's activations", activation)
    return [list(pair) for pair in zip(activation.tolist(), examples.position[:, neuron].tolist(), strict=True)]


def strongest(selection: Selection, layer: int, neuron: int) -> list[int]:
    """The positions of a neuron's strongest activations in all parts."""
    examples = [
        pair for part in range(parts_of(selection)[0]) for pair in examples_json(selection, layer, neuron, part)
    ]
    return [int(position) for _, position in sorted(examples, key=lambda pair: -pair[0])[:EXAMPLES]]


def snippets_of(selection: Selection, layer: int, neuron: int, positions: list[int]) -> list[dict[str, Any]]:
    """The tokens around each position, in the window in which it was read, and the neuron's activation at each."""
    run, stream = selection.run(), text_data(selection).train
    window = min(run.config.n_ctx, len(stream))
    last = len(stream) // window * window - 1
    name = f"blocks.{layer}.mlp.hidden"
    snippets = []
    for position in positions:
        if position > last:
            raise ValueError(f"position must be in 0 to {last}, the windows of this text, got {position}")
        start = position // window * window
        tokens = stream[start : start + window]
        values: Tensor = compute.run(record, run.model, tokens[None], [name])[name][0, :, neuron]
        first, end = max(0, position - start - BEFORE), position - start + AFTER + 1
        snippets.append(
            {
                "position": position,
                "peak": position - start - first,
                "tokens": token_texts(run.tokenizer, tokens[first:end].tolist()),
                "values": values[first:end].tolist(),
            }
        )
    return snippets


def effect_of(selection: Selection, layer: int, neuron: int) -> dict[str, list[list[Any]]]:
    """The tokens that the neuron raises and lowers most, and by how much one unit of activation does so."""
    run = selection.run()
    effect = compute.run(neuron_effect, run.model, layer, neuron, EFFECTS)
    sides = {"raised": (effect.raised, effect.raised_by), "lowered": (effect.lowered, effect.lowered_by)}
    return {
        name: [list(pair) for pair in zip(token_texts(run.tokenizer, tokens.tolist()), by.tolist(), strict=True)]
        for name, (tokens, by) in sides.items()
    }


def _part(selection: Selection, query: Query) -> list[list[float]]:
    return examples_json(selection, *layer_and_neuron(selection, query), int_param(query, "part"))


def _snippets(selection: Selection, query: Query) -> list[dict[str, Any]]:
    positions = [parse_natural(part, digits=11) for part in query.get(Address.AT, "").split(".")]
    known = [position for position in positions if position is not None]
    if len(positions) > EXAMPLES or len(known) < len(positions):
        raise ValueError(f"at must be 1 to {EXAMPLES} positions with dots between them")
    return snippets_of(selection, *layer_and_neuron(selection, query), known)


def table(selection: Selection, query: Query) -> Table:
    """The tokens around each of the strongest activations, and the effect on the output."""
    layer, neuron = layer_and_neuron(selection, query)
    snippets = snippets_of(selection, layer, neuron, strongest(selection, layer, neuron))
    rows: list[list[Any]] = []
    for rank, snippet in enumerate(snippets, start=1):
        first = snippet["position"] - snippet["peak"]
        activations = zip(snippet["tokens"], snippet["values"], strict=True)
        rows += [["moment", rank, position, token, value] for position, (token, value) in enumerate(activations, first)]
    for name, tokens in effect_of(selection, layer, neuron).items():
        rows += [[name, rank, "", token, change] for rank, (token, change) in enumerate(tokens, start=1)]
    header = ["what", "rank", "pos", "token", "value"]
    return Table(f"neuron-{layer}-{neuron}-{selection.run_id}", header, rows)


def sources(selection: Selection, query: Query) -> dict[str, Any]:
    """Contents of an exported page."""
    layer, neuron = layer_and_neuron(selection, query)
    return {
        "effect": effect_of(selection, layer, neuron),
        "snippets": snippets_of(selection, layer, neuron, strongest(selection, layer, neuron)),
        **{f"part/{part}": examples_json(selection, layer, neuron, part) for part in range(parts_of(selection)[0])},
    }


VIEW = View(
    page="inside",
    name="neurons",
    label="Neurons",
    order=6,
    subject=selection_from_request,
    question=Question(
        "Take any neuron. What will the tokens that activate it most have in common?",
        ("They are the same token", "They are words of the same kind", "The text before them", "Nothing recognisable"),
    ),
    component=BrowserComponent("inside_neurons", "views/neurons/view.js"),
    choose=choose,
    data=data,
    events={"neuron": _move},
    measured=None,
    explained=(MAX_ACTIVATING_EXAMPLES, NEURON_EFFECT),
    footer=None,
    routes={
        "neurons-part": _part,
        "neurons-snippets": _snippets,
        "neurons-effect": lambda selection, query: effect_of(selection, *layer_and_neuron(selection, query)),
    },
    table=table,
    sources=sources,
    reads_prompt=False,
)
