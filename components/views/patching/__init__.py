"""The view *Patching*: one activation of a clean run put into a corrupted run, at each place in turn."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import streamlit as st
import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.shared import expect, states
from components.shared.answers import (
    Answer,
    carry_links,
    choose_one,
    hold,
    numbers,
    page_file,
    refuse_diverged,
    table_file,
    whole,
)
from components.shared.browser import BrowserComponent
from components.shared.help import explain
from components.shared.selection import Look
from components.shared.texts import MAX_TOKENS, token_texts
from llm.interpret.activation_patching import Patch, Site, activation_patching, logit_difference
from llm.interpret.prompts import PromptPair, prompt_pair
from llm.runtime import compute
from llm.runtime.kept import Kept
from llm.tokenizers import Tokenizer
from llm.world.contrasts import CONTRASTS, Contrast, contrasts
from llm.world.skills import tells_of_the_world

KEY = "inside-patching"
PAIR = "inside-pair"  # the control
OWN = "own"
SITES = {
    "resid_pre": "Residual stream",
    "attention_out": "Attention's output",
    "mlp_out": "MLP's output",
    "head": "Each head",
}
MOST = 5  # ready pairs of each kind
CELLS = 48  # along a row at most: in longer prompts neighbouring positions are patched together
AT_ONCE = 1024  # tokens in a batch: a task that a training run hardly notices
FIRST = Contrast("Tom had the ring, and", "Ada had the ring, and", " he", " she")  # of one's own, to begin with
FIELDS = {
    "clean": "Clean text",
    "corrupt": "Corrupted text",
    "right": "The clean one goes on with",
    "wrong": "The corrupted one goes on with",
}
EXPLAINED = ("patching",)

component = BrowserComponent("inside_patching", "views/patching/view.js")
_ready: Kept[list[Contrast]] = Kept(8)
_layers: Kept[list[float]] = Kept(512)
_ends: Kept[list[float]] = Kept(64)


def show(look: Look) -> None:
    """Two prompts and where the model keeps what tells them apart."""
    question = "Two texts differ in one word. Half-way through the layers, where does the model keep this difference?"
    if not expect.expect(KEY, question, ["At the changed word", "At the last token", "In between"]):
        return
    chosen = _choose_contrast(look)
    site = choose_one("inside", "site", "What is put in", SITES, "resid_pre")
    pair = prompt_pair(look.run().tokenizer, chosen.clean, chosen.corrupt, chosen.right, chosen.wrong)
    longest = min(MAX_TOKENS, look.run().config.n_ctx)
    if len(pair.clean) > longest:
        raise ValueError(f"These texts have {len(pair.clean)} tokens each; this view reads at most {longest}")
    there = replace(look, tokens=pair.clean, own=0)
    data = data_of(there, pair, site, st.query_params.get("locked", ""), expect.expected(KEY))
    component.mount(key=KEY, data=data, on_locked_change=lambda: hold(KEY))
    explain("What do these figures mean?", *EXPLAINED)


def _choose_contrast(look: Look) -> Contrast:
    """One of the ready pairs, or texts of one's own."""
    with states.loading("Looking for pairs in the world of the text"):
        ready = ready_pairs(look)
    names = {str(index): label(one) for index, one in enumerate(ready)} | {OWN: "Texts of my own"}
    if st.session_state.get(PAIR) not in names:
        texts = [st.query_params.get(name, "") for name in FIELDS]
        asked = OWN if any(texts) else next(iter(names))
        st.session_state[PAIR] = str(ready.index(Contrast(*texts))) if Contrast(*texts) in ready else asked
    choice = st.selectbox("Two texts", list(names), format_func=names.__getitem__, key=PAIR)
    if choice != OWN:
        chosen = ready[int(choice)]
        st.query_params.update({name: getattr(chosen, name) for name in FIELDS})  # the texts, whatever their number
        return chosen
    if not ready:
        st.caption("Ready pairs come from the story world; this run was trained on another text, or cannot spell them.")
    columns = itertools.cycle(st.columns(2))
    found = {}
    for name, title in FIELDS.items():
        key = f"{KEY}-{name}"
        st.session_state.setdefault(key, st.query_params.get(name, getattr(FIRST, name)))
        found[name] = next(columns).text_input(title, key=key)
        st.query_params[name] = found[name]
    return Contrast(**found)


def ready_pairs(look: Look) -> list[Contrast]:
    """Pairs from the grammar of the run's text that its tokenizer cuts into as many tokens; other texts have none."""
    run = look.run()

    def make() -> list[Contrast]:
        if not tells_of_the_world(run.folder.text()):
            return []
        return [one for skill in CONTRASTS for one in itertools.islice(_fitting(run.tokenizer, skill), MOST)]

    return _ready.get(run.folder.path, make)


def _fitting(tokenizer: Tokenizer, skill: str) -> Iterator[Contrast]:
    """Contrasts whose prompts have as many tokens each; of each sentence only one."""
    seen = set()
    for one in contrasts(skill):
        try:
            prompt_pair(tokenizer, one.clean, one.corrupt, one.right, one.wrong)
        except ValueError:
            continue  # it cannot be patched with this tokenizer; another can
        if one.clean not in seen:
            seen.add(one.clean)
            yield one


def label(one: Contrast) -> str:
    """Both texts in one: "Now Greta/Tom had the ring, and … she/he"."""
    clean, corrupt = (re.findall(r"\w+|\W+", text) for text in (one.clean, one.corrupt))
    start = _alike(clean, corrupt)
    end = _alike(clean[start:][::-1], corrupt[start:][::-1])
    middles = ["".join(words[start : len(words) - end]) for words in (clean, corrupt)]
    text = "".join([*clean[:start], "/".join(middles), *clean[len(clean) - end :]])
    return f"{text} … {one.right.strip()}/{one.wrong.strip()}"


def _alike(one: list[str], other: list[str]) -> int:
    """How many of their first words are the same."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def data_of(look: Look, pair: PromptPair, site: str, locked: str, guess: str) -> dict[str, Any]:
    """What the view is told. `look` reads the clean prompt; `locked`: the row and column of a cell that is held."""
    run = look.run()
    state = {"corrupt": _dotted(pair.corrupt), "answers": _dotted(pair.answers), "site": site}
    span = span_of(pair)
    heads = [f"head {head}" for head in range(run.config.n_heads)]
    columns = heads if site == "head" else _columns(look, pair, span)
    layers = run.config.n_layers
    return {
        "title": f"Patching · run {look.run_id} · step {run.step}",
        "columns": columns,
        "layers": layers,
        "site": site,
        "sites": SITES,
        "changed": sorted({position // span for position in pair.changed}),
        "span": span,
        "answers": token_texts(run.tokenizer, pair.answers),
        "locked": numbers(locked, (layers, len(columns))),
        "guess": guess,
        "sources": {str(layer): look.address("inside/patching", **state, layer=layer) for layer in range(layers)},
        "carry": carry_links(look, "inside", "patching", state | {"locked": locked}),
    }


def span_of(pair: PromptPair) -> int:
    """How many neighbouring positions a cell stands for."""
    return -(-len(pair.clean) // CELLS)


def _columns(look: Look, pair: PromptPair, span: int) -> list[str]:
    """The tokens of the clean prompt, and those of the corrupted one where they differ; of a span its two ends."""
    texts, others = look.labels(), token_texts(look.run().tokenizer, pair.corrupt)
    for position in pair.changed:
        texts[position] = f"{texts[position]}/{others[position].lstrip() or others[position]}"
    if span == 1:
        return texts
    return [f"{texts[at]}…{texts[min(at + span, len(texts)) - 1]}" for at in range(0, len(texts), span)]


def _dotted(ids: tuple[int, ...]) -> str:
    return ".".join(map(str, ids))


def effects_of(look: Look, pair: PromptPair, site: str, layer: int) -> list[float]:
    """The effects of patching one layer, a batch a task: at each position (or span), or of each head at all of them.

    Before the first position that differs both runs are the same, so their effect is 0 and takes no computing.
    """
    run = look.run()
    prompts = torch.tensor(pair.clean), torch.tensor(pair.corrupt)
    length, span = len(pair.clean), span_of(pair)
    unaffected = pair.changed[0] // span if site != "head" else 0  # cells
    if site not in SITES:
        raise ValueError(f"site must be one of {', '.join(SITES)}, got {site[:40]!r}")
    if site == "head":
        patches = [Patch("head", layer, None, head) for head in range(run.config.n_heads)]
    else:
        cells = [tuple(range(at, min(at + span, length))) for at in range(unaffected * span, length, span)]
        patches = [Patch(cast(Site, site), layer, positions) for positions in cells]

    def make() -> list[float]:
        experiments = [[patch] for patch in patches]
        batch = max(1, AT_ONCE // length)
        steps = activation_patching.steps(run.model, *prompts, pair.answers, experiments, batch)
        return [0.0] * unaffected + compute.finish(steps).tolist()

    return _layers.get((run.folder.path, run.step, pair, site, layer), make)


def ends_of(look: Look, pair: PromptPair) -> list[float]:
    """The logit differences of the clean and of the corrupted run."""
    run = look.run()

    def make() -> list[float]:
        prompts = torch.tensor([pair.clean, pair.corrupt])
        found = compute.run(logit_difference, run.model, prompts, pair.answers)
        refuse_diverged("guesses are no numbers", found)
        return found.tolist()

    return _ends.get((run.folder.path, run.step, pair), make)


def _asked(look: Look, request: Request) -> tuple[PromptPair, str]:
    """The prompts and the site that an address names."""
    query, limit = request.query_params, look.run().config.d_vocab
    corrupt = numbers(query.get("corrupt", ""), [limit] * len(look.tokens))
    answers = numbers(query.get("answers", ""), [limit] * 2)
    if corrupt is None or answers is None or tuple(corrupt) == look.tokens or answers[0] == answers[1]:
        raise ValueError(
            f"corrupt must be {len(look.tokens)} token ids that differ from the clean ones, and answers two that differ"
        )
    site = query.get("site", "resid_pre")
    if site not in SITES:
        raise ValueError(f"site must be one of {', '.join(SITES)}, got {site[:40]!r}")
    return PromptPair(look.tokens, tuple(corrupt), (answers[0], answers[1])), site


def _layer_json(look: Look, pair: PromptPair, site: str, layer: int) -> dict[str, Any]:
    return {"ends": ends_of(look, pair), "effects": effects_of(look, pair, site, layer)}


def _layer(look: Look, request: Request) -> Response:
    return JSONResponse(_layer_json(look, *_asked(look, request), whole(request, "layer")))


def _csv(look: Look, request: Request) -> Response:
    pair, site = _asked(look, request)
    data, (clean, corrupt) = data_of(look, pair, site, "", ""), ends_of(look, pair)
    rows = [
        [layer, column, data["columns"][column], effect, clean, corrupt]
        for layer in range(data["layers"])
        for column, effect in enumerate(effects_of(look, pair, site, layer))
    ]
    place = ["head", "name"] if site == "head" else ["pos", "token"]
    return table_file(f"patching-{site}-{look.run_id}", ["layer", *place, "effect", "clean", "corrupt"], rows)


def _html(look: Look, request: Request) -> Response:
    pair, site = _asked(look, request)
    data = data_of(look, pair, site, request.query_params.get("locked", ""), "")
    found = {str(layer): _layer_json(look, pair, site, layer) for layer in range(data["layers"])}
    return page_file(look, component, data, {name: json.dumps(one).encode() for name, one in found.items()}, EXPLAINED)


ANSWERS: dict[str, Answer] = {"patching": _layer, "patching.csv": _csv, "patching.html": _html}
