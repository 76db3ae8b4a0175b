"""Attention in three views, all heads, one head, and both through training: what each is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from components.shared.answers import carry_links
from components.shared.browser import BrowserComponent
from components.shared.selection import Look
from llm.interpret.attention_patterns import thumbnail_span
from llm.interpret.head_scores import LABELS

heads_component = BrowserComponent("attention_heads", "views/attention_heads/view.js")
head_component = BrowserComponent("attention_head", "views/attention_head/view.js")

training_component = BrowserComponent("attention_training", "views/attention_training/view.js")

ORDERS = {"layer": "by layer", **LABELS, "entropy": "entropy"}
MATRICES = {
    "pattern": "Pattern",
    "weighted": "Value-weighted",
    "scores": "Scores before softmax",
    "content": "Content's part",
    "position": "Position's part",
}
BY_DISTANCE = ("rope", "alibi")  # the schemes whose part in a score can be told apart


def heads_data(look: Look, order: str) -> dict[str, Any]:
    """What the view All heads is told."""
    return {
        "title": f"All heads · run {look.run_id} · step {look.run().step}",
        **_grid(look),
        "order": order,
        "sources": {"grid": look.address("attention/grid"), "scores": look.address("attention/scores")},
        "carry": carry_links(look, "attention", "heads", {"order": order}),
    }


def head_data(look: Look, layer: int, head: int, matrix: str, rest: bool, locked: list[int] | None) -> dict[str, Any]:
    """What the view One head is told. `rest`: without the first token; `locked`: query and key position."""
    config = look.run().config
    place: dict[str, int | str] = {"layer": layer, "head": head}
    state = {**place, "matrix": matrix, "rest": int(rest), "locked": ".".join(map(str, locked or []))}
    return {
        "title": f"Layer {layer}, head {head} · run {look.run_id} · step {look.run().step}",
        "labels": look.labels(),
        "own": look.own,
        "layer": layer,
        "head": head,
        "heads": config.n_heads,
        "group": config.n_heads // config.n_kv_heads,
        "dHead": config.d_head,
        "positional": config.positional,
        "matrix": matrix,
        "matrices": MATRICES,
        "rest": rest,
        "locked": locked,
        "sources": {"head": look.address("attention/head", **place)},
        "carry": carry_links(look, "attention", "head", state),
    }


def training_data(look: Look, score: str, control: str | None) -> dict[str, Any]:
    """What the view Through training is told. `control`: a one-layer run to compare with."""
    config, folder = look.run().config, look.run().folder
    steps = folder.snapshots()
    sources = {f"{what}/{step}": look.at(step).address(f"attention/{what}")
               for step in steps for what in ("grid", "scores", "context")}  # fmt: skip
    if control is not None:
        sources["control"] = replace(look, run_id=control, step=None).address("attention/scores")
    state = {"score": score} | ({"control": control} if control else {})
    return {
        "title": f"Through training · run {look.run_id}",
        **_grid(look),
        "context": config.n_ctx,
        "steps": steps,
        "step": look.run().step,
        "score": score,
        "controlLabel": f"one layer, run {control}",
        "sources": sources,
        "carry": carry_links(look, "attention", "training", state),
    }


def _grid(look: Look) -> dict[str, Any]:
    """What both views that draw every head are told of the grid."""
    config = look.run().config
    return {
        "labels": look.labels(),
        "span": thumbnail_span(len(look.tokens)),
        "layers": config.n_layers,
        "heads": config.n_heads,
        "group": config.n_heads // config.n_kv_heads,
        "names": LABELS,
    }
