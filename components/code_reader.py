"""The code reader: a map of the forward pass, each layer's code line by line, and the tensors that the lines made."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components.browser import FRONTEND
from components.equations import EQUATIONS

PARTS = ("shared", "code_map", "code_source", "code_tensor", "code_quiz", "code")

_code = st.components.v2.component(
    "llm_code",
    html='<div class="llm-code"></div>',
    css=(FRONTEND / "code.css").read_text("utf-8"),
    js="".join((FRONTEND / f"{part}.js").read_text("utf-8") for part in PARTS),
    isolate_styles=False,
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


def read_code(key: str, layers: dict[str, str], place: dict[str, str]) -> dict[str, str]:
    """Show the forward pass that is served under `key`, beginning at `place`; returns the place now looked at.

    `layers` are path and kind of each layer; a place has layer, implementation and line, as the address has them.
    """
    result = _code(
        key=f"code-{key}",
        data={
            "url": f"/live/code/{key}",
            "layers": [{"path": path, "kind": kind, "title": TITLES.get(kind, kind)} for path, kind in layers.items()],
            "equations": {kind: EQUATIONS[kind] for kind in set(layers.values()) if kind in EQUATIONS},
            "place": place,
        },
        on_place_change=lambda: None,
    )
    now: Any = result.place
    return {name: str(now.get(name, "")) for name in ("layer", "implementation", "line")} if now else place
