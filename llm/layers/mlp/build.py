"""The MLP that a config asks for."""

from __future__ import annotations

from llm.config import Implementation, ModelConfig
from llm.layers.mlp import REGISTRY
from llm.layers.mlp.gated import GatedMLPFused, GatedMLPWithEinops, GatedMLPWithoutEinops
from llm.layers.mlp.plain import MLP, MLPFused, MLPWithEinops, MLPWithoutEinops

PLAIN = {"einops": MLPWithEinops, "torch": MLPWithoutEinops, "fused": MLPFused}
GATED = {"einops": GatedMLPWithEinops, "torch": GatedMLPWithoutEinops, "fused": GatedMLPFused}


def build_mlp(config: ModelConfig, implementation: Implementation) -> MLP:
    """Gated or plain, as the config's activation is."""
    classes = GATED if REGISTRY[config.activation].gated else PLAIN
    return classes[implementation](config, implementation)
