"""A text that is merged into tokens step by step, with the pairs that it has at each step."""

from __future__ import annotations

from typing import Any

from components.shared.browser import BrowserComponent
from llm.tokenizers.replay import Replay, Step

MOST_PAIRS = 10  # that are listed at each step

_merges = BrowserComponent("merges", "views/merges/view.js")


def merges(replay: Replay, training: bool, key: str) -> None:
    """Show a replay; `training` says whether its merges were learned from its own text."""
    _merges.mount(key=key, data=replay_data(replay, training))


def replay_data(replay: Replay, training: bool) -> dict[str, Any]:
    """Data for the script."""
    known = {token for step in replay.steps for token in step.tokens}
    texts = {str(token): replay.tokenizer.token_text(token) for token in sorted(known)}
    chunks = replay.steps[0].chunks
    steps = [_step(step) for step in replay.steps]
    key = f"{training} {chunks} {[step['made'] for step in steps]}"  # another text, or other merges of it
    return {"key": key, "training": training, "texts": texts, "chunks": chunks, "steps": steps}


def _step(step: Step) -> dict[str, Any]:
    pairs = step.pairs[:MOST_PAIRS]
    made = None if step.merge is None else step.merge.new
    return {"pairs": [list(pair) for pair in pairs], "others": len(step.pairs) - len(pairs), "made": made}
