"""The code reader: a map of the forward pass, each layer's code line by line, and the tensors that the lines made."""

from __future__ import annotations

from typing import Any

from components.shared.browser import browser_component
from components.views.code.equations import equations
from llm.config import ModelConfig

_code = browser_component(
    "code",
    "views/code/map",
    "views/code/equation",
    "views/code/source",
    "views/code/origin",
    "views/code/tensor",
    "views/code/quiz",
    "views/code/view",
)

TITLES = {
    "Transformer": "The model",
    "TokenEmbedding": "Embedding",
    "Unembedding": "Unembedding",
    "LearnedPositions": "Positions",
    "SinusoidalPositions": "Positions",
    "Block": "Block",
    "Attention": "Attention",
    "MLP": "MLP",
    "GatedMLP": "Gated MLP",
    "LayerNorm": "LayerNorm",
    "RMSNorm": "RMSNorm",
    "Rotary": "Rotary",
    "Alibi": "ALiBi",
}


def read_code(key: str, layers: dict[str, str], config: ModelConfig, place: dict[str, str]) -> dict[str, str]:
    """Show the forward pass that is served under `key`, beginning at `place`; returns the place now looked at.

    `layers` are path and kind of each layer; a place has layer, implementation and line, as the address has them.
    """
    told = equations(config)
    result = _code(
        key=f"code-{key}",
        data={
            "url": f"/live/code/{key}",
            "layers": [{"path": path, "kind": kind, "title": TITLES.get(kind, kind)} for path, kind in layers.items()],
            "equations": {kind: told[kind] for kind in set(layers.values()) if kind in told},
            "place": place,
        },
        on_place_change=lambda: None,
    )
    now: Any = result.place
    return {name: str(now.get(name, "")) for name in ("layer", "implementation", "line")} if now else place
