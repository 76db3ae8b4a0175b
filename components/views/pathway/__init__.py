"""A diagram of the path from text to next token, with the shapes of one model."""

from __future__ import annotations

from components.shared.browser import BrowserComponent
from llm.config import ModelConfig
from llm.costs import parameter_count
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.position import REGISTRY as POSITIONS

_pathway = BrowserComponent("pathway", "views/pathway/view.js")


def pathway(config: ModelConfig, key: str) -> None:
    """Text → tokens → blocks → probabilities → text, each stage with its output and its shape."""
    counts = parameter_count(config)
    heads = f"{config.n_heads} heads of {config.d_head}"
    if config.n_kv_heads < config.n_heads:
        heads += f", {config.n_kv_heads} for keys and values"
    stages = [
        {"title": "Text", "drawing": "text", "note": "what you write", "shape": "", "parameters": 0},
        {
            "title": "Tokens",
            "drawing": "tokens",
            "note": f"its pieces, as numbers below {config.d_vocab:,}",
            "shape": f"[pos ≤ {config.n_ctx}]",
            "parameters": 0,
        },
        {
            "title": "Embedding",
            "drawing": "vectors",
            "note": f"a vector for each; the position scheme {POSITIONS[config.positional].help}",
            "shape": f"[pos, d_model {config.d_model}]",
            "parameters": counts.embedding + counts.positions,
        },
        {
            "title": f"{config.n_layers} blocks",
            "note": "each reads the stream of vectors and adds to it",
            "shape": f"[pos, d_model {config.d_model}]",
            "parameters": counts.attention + counts.mlp + counts.norms,
            "inside": [
                ["Attention", f"{heads}: copies information from earlier tokens"],
                _mlp(config),
                [NORMS[config.norm].label, "keeps the scale steady"],
            ],
        },
        {
            "title": "Probabilities",
            "drawing": "probabilities",
            "note": "a score for every token, turned into probabilities by softmax",
            "shape": f"[pos, d_vocab {config.d_vocab}]",
            "parameters": counts.unembedding,
        },
        {
            "title": "Next token",
            "drawing": "next",
            "note": "drawn, and appended to the text",
            "shape": "",
            "parameters": 0,
        },
    ]
    _pathway.mount(key=key, data={"stages": stages, "total": counts.total})


def _mlp(config: ModelConfig) -> list[str]:
    """What transforms each token, and how."""
    shape = f"{ACTIVATIONS[config.activation].label}, {config.d_mlp} wide"
    if config.n_experts == 0:
        return ["MLP", f"{shape}: transforms each token"]
    used = config.experts_per_token + config.n_shared_experts
    return ["Experts", f"{config.n_experts + config.n_shared_experts} MLPs, {shape}: {used} of them transform a token"]
