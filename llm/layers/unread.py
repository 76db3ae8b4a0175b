"""Fields of a config that no part of its model reads, such as the window of a mask that has none."""

from __future__ import annotations

import dataclasses

from llm.config import ModelConfig
from llm.layers.mask import REGISTRY as MASKS
from llm.layers.position import REGISTRY as POSITIONS
from llm.layers.position.scaling import REGISTRY as SCALINGS

SCALED_ONLY = {
    "rope_factor", "rope_original_ctx", "rope_low_rotations", "rope_high_rotations", "rope_attention_factor",
}  # fmt: skip


def unread_fields(config: ModelConfig) -> set[str]:
    """The names of these fields: whatever they are, the model computes the same."""
    names = [field.name for field in dataclasses.fields(ModelConfig)]
    scheme = POSITIONS[config.positional].acts_on
    unread = {name for name in names if name.startswith("relative_") and scheme != "scores"}
    if config.n_experts == 0:
        unread |= {"experts_per_token", "n_shared_experts", "normalize_expert_weights", "load_balance_loss"}
        unread |= {"router_z_loss", "expert_capacity"}
    unread |= {"qk_norm_over"} if not config.qk_norm else set()
    unread |= {"qkv_bias"} if config.bias else set()
    unread |= {"window", "full_every"} if not MASKS[config.mask].windowed else set()
    if scheme != "queries and keys":
        unread |= {name for name in names if name.startswith("rope_")}
    elif SCALINGS[config.rope_scaling].frequencies is None:
        unread |= SCALED_ONLY
    return unread
