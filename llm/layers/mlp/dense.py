"""MLPs that every position goes through: a block's own, or the shared experts beside a mixture's others."""

from __future__ import annotations

from llm.config import Implementation, ModelConfig
from llm.layers.mlp import REGISTRY
from llm.layers.mlp.gated import GatedMLPFused, GatedMLPWithEinops, GatedMLPWithoutEinops
from llm.layers.mlp.plain import MLP, MLPFused, MLPWithEinops, MLPWithoutEinops

PLAIN = {"einops": MLPWithEinops, "torch": MLPWithoutEinops, "fused": MLPFused}
GATED = {"einops": GatedMLPWithEinops, "torch": GatedMLPWithoutEinops, "fused": GatedMLPFused}


def build_dense(config: ModelConfig, implementation: Implementation, d_mlp: int) -> MLP:
    """Gated or plain, as the config's activation is, with this hidden width."""
    classes = GATED if REGISTRY[config.activation].gated else PLAIN
    return classes[implementation](config, implementation, d_mlp)


def build_shared_experts(config: ModelConfig, implementation: Implementation) -> MLP | None:
    """The shared experts as one MLP, or None if there are none."""
    if config.n_shared_experts == 0:
        return None
    return build_dense(config, implementation, config.n_shared_experts * config.d_mlp)
