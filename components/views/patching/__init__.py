"""The view *Patching*: one activation of a clean run copied into a corrupted run, at each position in turn."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import streamlit as st
import torch

from components.shared import states
from components.shared.browser import BrowserComponent
from components.shared.controls import choose_one, remember_locked
from components.shared.parameters import Query, check_choice, int_param, parse_indices
from components.shared.select_box import picked, select_box
from components.shared.selection import Selection, selection_from_request
from components.shared.session import Address, Session
from components.shared.text_box import text_box
from components.shared.texts import MAX_TOKENS, token_texts
from components.shared.view import Question, Table, View, require_finite
from components.views.patching.explanations import ACTIVATION_PATCHING
from llm.interpret.activation_patching import Patch, Site, activation_patching, logit_difference
from llm.interpret.prompts import PromptPair, prompt_pair
from llm.runs.corpus import run_corpus
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache
from llm.tokenizers import Tokenizer
from llm.world.contrasts import CONTRASTS, Contrast, contrasts
from llm.world.skills import BEGINNING, is_world_text

OWN = "own"
SITES = {
    "resid_pre": "Residual stream",
    "attention_out": "Attention's output",
    "mlp_out": "MLP's output",
    "head": "Each head",
}
MOST = 5  # ready pairs of each kind
CELLS = 48  # cells per row at most: in longer prompts, neighbouring positions are patched together
AT_ONCE = 1024  # tokens in a batch: small enough that a training run is hardly delayed
FIRST = Contrast("Tom had the ring, and", "Ada had the ring, and", " he", " she")  # default of the user's own pair
FIELDS = {
    Address.CLEAN: "Clean text",
    Address.CORRUPT: "Corrupted text",
    Address.RIGHT: "Continuation of the clean text",
    Address.WRONG: "Continuation of the corrupted text",
}
ANSWERS = "answers"  # in a route's URL: the ids of both continuations

_ready: ResultCache[list[Contrast]] = ResultCache(8)
_layers: ResultCache[list[float]] = ResultCache(512)
_differences: ResultCache[list[float]] = ResultCache(64)


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose two texts, and what is copied from one to the other. The view shows the clean text."""
    contrast = _choose_contrast(selection)
    site = choose_one("inside", Address.SITE, "What is copied", SITES, "resid_pre")
    tokenizer = selection.run().tokenizer
    pair = prompt_pair(tokenizer, contrast.clean, contrast.corrupt, contrast.right, contrast.wrong)
    longest = min(MAX_TOKENS, selection.run().config.n_ctx)
    if len(pair.clean) > longest:
        raise ValueError(f"These texts must have at most {longest} tokens each, got {len(pair.clean)}")
    locked = st.query_params.get(Address.LOCKED, "")
    return replace(selection, tokens=pair.clean, own=0), _query(pair, site) | {Address.LOCKED: locked}


def _query(pair: PromptPair, site: str) -> dict[str, str]:
    return {Address.CORRUPT: _dotted(pair.corrupt), ANSWERS: _dotted(pair.answers), Address.SITE: site}


def pair_and_site(selection: Selection, query: Query) -> tuple[PromptPair, str]:
    """The prompts and the site in the query. Raises ValueError for invalid ones."""
    limit = selection.run().config.d_vocab
    corrupt = parse_indices(query.get(Address.CORRUPT, ""), [limit] * len(selection.tokens))
    answers = parse_indices(query.get(ANSWERS, ""), [limit] * 2)
    if corrupt is None or answers is None or tuple(corrupt) == selection.tokens or answers[0] == answers[1]:
        raise ValueError(
            f"corrupt must be {len(selection.tokens)} token ids that differ from the clean ones, and answers two that "
            "differ"
        )
    site = check_choice(Address.SITE, query.get(Address.SITE, "resid_pre"), list(SITES))
    return PromptPair(selection.tokens, tuple(corrupt), (answers[0], answers[1])), site


def data(selection: Selection, query: Query) -> dict[str, Any]:
    """Data for the script. `locked`: row and column of the selected cell."""
    run, (pair, site) = selection.run(), pair_and_site(selection, query)
    layers, span, columns = run.config.n_layers, span_of(pair), column_names(selection, pair, site)
    asked = _query(pair, site)
    return {
        "title": selection.title("Patching"),
        "columns": columns,
        "layers": layers,
        "site": site,
        "sites": SITES,
        "changed": sorted({position // span for position in pair.changed}),
        "span": span,
        "answers": token_texts(run.tokenizer, pair.answers),
        "locked": parse_indices(query.get(Address.LOCKED, ""), (layers, len(columns))),
        "sources": {str(layer): selection.address("inside/patching", **asked, layer=layer) for layer in range(layers)},
    }


def _choose_contrast(selection: Selection) -> Contrast:
    """Choose one of the ready-made pairs, or type two texts."""
    with states.loading("Looking for pairs in the world of the text"):
        ready = ready_pairs(selection)
    names = {str(index): label(contrast) for index, contrast in enumerate(ready)} | {OWN: "My own texts"}
    if picked(Session.INSIDE_PAIR) not in names:
        texts = [st.query_params.get(name, "") for name in FIELDS]
        asked = OWN if any(texts) else next(iter(names))
        st.session_state[Session.INSIDE_PAIR] = (
            str(ready.index(Contrast(*texts))) if Contrast(*texts) in ready else asked
        )
    choice = select_box("Two texts", names, Session.INSIDE_PAIR)
    if choice != OWN:
        chosen = ready[int(choice)]
        # the texts, since their index may change
        st.query_params.update({name: getattr(chosen, name) for name in FIELDS})
        return chosen
    if not ready:
        st.caption(
            "Ready pairs come from the story world; this run was trained on another text, or cannot encode them."
        )
    columns = itertools.cycle(st.columns(2))
    typed = {}
    for name, title in FIELDS.items():
        key = Session.INSIDE_CONTRAST.of(name)
        typed[name] = text_box(next(columns).text_input, title, name, key, partial(getattr, FIRST, name))
    return Contrast(**typed)


def ready_pairs(selection: Selection) -> list[Contrast]:
    """Pairs from the story world that the run's tokenizer splits into equally many tokens; other texts have none."""
    run = selection.run()

    def find_pairs() -> list[Contrast]:
        if not is_world_text(run_corpus(run.folder, run.tokenizer).beginning(BEGINNING)):
            return []
        return [contrast for skill in CONTRASTS for contrast in itertools.islice(_fitting(run.tokenizer, skill), MOST)]

    return _ready.get(run.folder.path, find_pairs)


def _fitting(tokenizer: Tokenizer, skill: str) -> Iterator[Contrast]:
    """Contrasts whose two prompts have the same number of tokens; one for each sentence."""
    seen = set()
    for contrast in contrasts(skill):
        try:
            prompt_pair(tokenizer, contrast.clean, contrast.corrupt, contrast.right, contrast.wrong)
        except ValueError:
            continue  # it cannot be patched with this tokenizer; another can
        if contrast.clean not in seen:
            seen.add(contrast.clean)
            yield contrast


def label(contrast: Contrast) -> str:
    """Both texts in one: "Now Greta/Tom had the ring, and … she/he"."""
    clean, corrupt = (re.findall(r"\w+|\W+", text) for text in (contrast.clean, contrast.corrupt))
    start = _common_prefix(clean, corrupt)
    end = _common_prefix(clean[start:][::-1], corrupt[start:][::-1])
    middles = ["".join(words[start : len(words) - end]) for words in (clean, corrupt)]
    text = "".join([*clean[:start], "/".join(middles), *clean[len(clean) - end :]])
    return f"{text} … {contrast.right.strip()}/{contrast.wrong.strip()}"


def _common_prefix(words: list[str], other: list[str]) -> int:
    """The number of identical words at the start of both."""
    return next(
        (at for at, (a, b) in enumerate(zip(words, other, strict=False)) if a != b), min(len(words), len(other))
    )


def span_of(pair: PromptPair) -> int:
    """The number of neighbouring positions in a cell."""
    return -(-len(pair.clean) // CELLS)


def column_names(selection: Selection, pair: PromptPair, site: str) -> list[str]:
    """The names of the columns: heads, or tokens, of both prompts where they differ."""
    if site == "head":
        return [f"head {head}" for head in range(selection.run().config.n_heads)]
    return _token_columns(selection, pair, span_of(pair))


def _token_columns(selection: Selection, pair: PromptPair, span: int) -> list[str]:
    """The tokens of the clean prompt, and those of the corrupted one where they differ; of a span its two ends."""
    texts, others = selection.labels(), token_texts(selection.run().tokenizer, pair.corrupt)
    for position in pair.changed:
        texts[position] = f"{texts[position]}/{others[position].lstrip() or others[position]}"
    if span == 1:
        return texts
    return [f"{texts[at]}…{texts[min(at + span, len(texts)) - 1]}" for at in range(0, len(texts), span)]


def _dotted(ids: tuple[int, ...]) -> str:
    return ".".join(map(str, ids))


def effects_of(selection: Selection, pair: PromptPair, site: str, layer: int) -> list[float]:
    """The effects of patching one layer, one batch per task: at each position (or span), or of each head at all.

    Before the first position that differs both runs are the same, so the effect there is 0 without computing it.
    """
    run = selection.run()
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

    def compute_effects() -> list[float]:
        experiments, batch = [[patch] for patch in patches], max(1, AT_ONCE // length)
        steps = activation_patching.steps(run.model, *prompts, pair.answers, experiments, batch)
        return [0.0] * unaffected + compute.finish(steps).tolist()

    return _layers.get((run.folder.path, run.step, pair, site, layer), compute_effects)


def differences_of(selection: Selection, pair: PromptPair) -> list[float]:
    """The logit differences of the clean and of the corrupted run."""
    run = selection.run()

    def compute_values() -> list[float]:
        prompts = torch.tensor([pair.clean, pair.corrupt])
        values = compute.run(logit_difference, run.model, prompts, pair.answers)
        require_finite("This model's logits", values)
        return values.tolist()

    return _differences.get((run.folder.path, run.step, pair), compute_values)


def layer_json(selection: Selection, query: Query) -> dict[str, Any]:
    """The effects in one layer, and the clean and corrupted logit differences that scale them."""
    pair, site = pair_and_site(selection, query)
    layer = int_param(query, Address.LAYER)
    return {"ends": differences_of(selection, pair), "effects": effects_of(selection, pair, site, layer)}


def table(selection: Selection, query: Query) -> Table:
    """A row for each cell."""
    pair, site = pair_and_site(selection, query)
    columns, (clean, corrupt) = column_names(selection, pair, site), differences_of(selection, pair)
    rows = [
        [layer, column, columns[column], effect, clean, corrupt]
        for layer in range(selection.run().config.n_layers)
        for column, effect in enumerate(effects_of(selection, pair, site, layer))
    ]
    named = ["head", "name"] if site == "head" else ["pos", "token"]
    return Table(f"patching-{site}-{selection.run_id}", ["layer", *named, "effect", "clean", "corrupt"], rows)


def sources(selection: Selection, query: Query) -> dict[str, Any]:
    """Contents of an exported page."""
    layers = range(selection.run().config.n_layers)
    return {str(layer): layer_json(selection, {**query, Address.LAYER: str(layer)}) for layer in layers}


VIEW = View(
    page="inside",
    name="patching",
    label="Patching",
    order=4,
    subject=selection_from_request,
    question=Question(
        "Two texts differ in one word. Halfway through the layers, where is this difference stored?",
        ("At the changed word", "At the last token", "In between"),
    ),
    component=BrowserComponent("inside_patching", "views/patching/view.js"),
    choose=choose,
    data=data,
    events={"locked": remember_locked},
    measured=None,
    explained=(ACTIVATION_PATCHING,),
    footer=None,
    routes={"patching": layer_json},
    table=table,
    sources=sources,
    reads_prompt=False,
    next_token=True,
)
