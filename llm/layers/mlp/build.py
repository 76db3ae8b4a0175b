"""The MLP that a config asks for."""

from __future__ import annotations

from llm.config import Implementation, ModelConfig
from llm.layers.mlp.dense import build_dense
from llm.layers.mlp.experts import (
    MixtureOfExperts,
    MixtureOfExpertsFused,
    MixtureOfExpertsWithEinops,
    MixtureOfExpertsWithoutEinops,
)
from llm.layers.mlp.plain import MLP

EXPERTS = {
    "einops": MixtureOfExpertsWithEinops,
    "torch": MixtureOfExpertsWithoutEinops,
    "fused": MixtureOfExpertsFused,
}


def build_mlp(config: ModelConfig, implementation: Implementation) -> MLP | MixtureOfExperts:
    """One MLP, or a mixture of experts."""
    if config.n_experts > 0:
        return EXPERTS[implementation](config, implementation)
    return build_dense(config, implementation, config.d_mlp)
