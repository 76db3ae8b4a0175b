"""The mask: which keys a query may attend to. What is hidden from it gets the score −∞, and so the weight 0.

A mask is a condition on the distance q − k between a query at position q and a key at position k. In a model with a
window some layers may do without one (full_every).

This module imports no torch: the conditions are in `hidden`, their entries here are everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.config import ModelConfig
from llm.registry import Registry, deferred


@dataclass(frozen=True)
class MaskEntry:
    """What others need to know of a mask."""

    label: str
    help: str  # what a query sees, as the end of a sentence
    why: str  # one would choose it, with the paper
    hidden: Callable[[], Callable[..., Any]]  # loads the condition, of (distance, window or None)
    windowed: bool  # whether the condition depends on the window
    causal: bool  # whether it hides all that comes later: only then can a model learn to predict the next token
    condition: Callable[[ModelConfig], str]  # when a key is hidden, as an equation writes it
    reason: str  # why a key is hidden, as the end of "because it …"; {window} is the window
    words: Callable[[ModelConfig], str]  # what a query sees, in sentences after that on attention in general
    source: str  # the paper, or empty


REGISTRY: Registry[MaskEntry] = Registry(
    "mask",
    {
        "causal": MaskEntry(
            label="causal",
            help="itself and everything before it",
            why="",
            hidden=deferred("llm.layers.mask.hidden", "causal"),
            windowed=False,
            causal=True,
            condition=lambda config: "k > q",
            reason="comes later",
            words=lambda config: "",
            source="",
        ),
        "sliding": MaskEntry(
            label="sliding window",
            help="the last tokens up to itself, as many as `window` says",
            why="The cost of a token stops growing with the text; through several layers information still comes from "
            "further back (Beltagy et al. 2020, arXiv:2004.05150; Jiang et al. 2023, arXiv:2310.06825).",
            hidden=deferred("llm.layers.mask.hidden", "sliding"),
            windowed=True,
            causal=True,
            condition=lambda config: f"k > q or q − k ≥ {config.window}",
            reason="comes later or before the window of {window}",
            words=lambda config: (
                f" Here a position sees {_tokens(config)} only, itself included. What is further back "
                f"can still arrive through several layers, each of which looks back as far.{_full_layers(config)}"
            ),
            source="Beltagy et al. 2020, arXiv:2004.05150; Jiang et al. 2023, arXiv:2310.06825",
        ),
        "strided": MaskEntry(
            label="strided",
            help="the last tokens up to itself, as many as `window` says, and before these every token whose "
            "distance is a multiple of `window`",
            why="About 2 · √n keys for each query instead of n, if the window is √n, and any two positions are at most "
            "two steps apart (Child et al. 2019, arXiv:1904.10509).",
            hidden=deferred("llm.layers.mask.hidden", "strided"),
            windowed=True,
            causal=True,
            condition=lambda config: f"k > q or (q − k ≥ {config.window} and (q − k) mod {config.window} ≠ 0)",
            reason="comes later, or before the window of {window} and not at a multiple of it",
            words=lambda config: (
                f" Here a position sees {_tokens(config)}, itself included, and before these only "
                f"those at a multiple of {config.window:,}. Two layers are enough for anything to arrive from anywhere."
                f"{_full_layers(config)}"
            ),
            source="Child et al. 2019, arXiv:1904.10509",
        ),
        "bidirectional": MaskEntry(
            label="bidirectional",
            help="everything, what comes later included, as in BERT: the model learns to fill in masked tokens, and "
            "cannot generate",
            why="A word is easier to understand with what follows it. But a model that sees the next token cannot "
            "learn to predict it, so it is trained to fill in masked ones (Devlin et al. 2018, arXiv:1810.04805).",
            hidden=deferred("llm.layers.mask.hidden", "bidirectional"),
            windowed=False,
            causal=False,
            condition=lambda config: "never",
            reason="is hidden from no other",
            words=lambda config: (
                " Here later positions do, too: nothing is hidden. A model that sees the next token cannot learn to "
                "predict it, so this one learns to fill in tokens that a mask replaces."
            ),
            source="Devlin et al. 2018, arXiv:1810.04805",
        ),
    },
)


def layer_window(config: ModelConfig, layer: int) -> int | None:
    """The window of this layer, counted from 0; None for a layer that sees everything before each position.

    With full_every = n these are layers n − 1, 2n − 1, …: the last of each n.
    """
    full = config.full_every > 0 and (layer + 1) % config.full_every == 0
    return None if full or not REGISTRY[config.mask].windowed else config.window


def reason(config: ModelConfig, layer: int) -> str:
    """Why this layer hides a key: "comes later", or more where it has a window."""
    window = layer_window(config, layer)
    without = REGISTRY[config.mask].windowed and window is None
    return REGISTRY["causal" if without else config.mask].reason.format(window=window)


def require_causal(config: ModelConfig, what: str) -> None:
    """Raise ValueError if the model's positions see later ones; `what` it cannot do then, such as "write text"."""
    if not REGISTRY[config.mask].causal:
        raise ValueError(
            f"A model with mask={config.mask!r} cannot {what}: each position sees the tokens after it, so it has never "
            "learned to predict the next one. It can fill in blanks: uv run llm fill, or the page Generate"
        )


def limited_layers(config: ModelConfig) -> int:
    """How many layers have a window that is shorter than the context."""
    windows = (layer_window(config, layer) for layer in range(config.n_layers))
    return sum(window is not None and window < config.n_ctx for window in windows)


def _tokens(config: ModelConfig) -> str:
    return f"the last {config.window:,} tokens" if config.window > 1 else "the last token"


def _full_layers(config: ModelConfig) -> str:
    full = [layer for layer in range(config.n_layers) if layer_window(config, layer) is None]
    if not full:
        return ""
    named = ", ".join(map(str, full))
    return f" Layer {named} has no window." if len(full) == 1 else f" Layers {named} have no window."
