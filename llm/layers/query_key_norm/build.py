"""The norm of queries, and of keys, that a config asks for."""

from __future__ import annotations

from torch import nn

from llm.config import Implementation, ModelConfig
from llm.layers.norm.base import Norm
from llm.layers.query_key_norm import REGISTRY


def build_query_key_norm(config: ModelConfig, implementation: Implementation, heads: int) -> Norm | nn.Identity:
    """The norm of the queries of `heads` heads, or of their keys, if the config has one."""
    if not config.qk_norm:
        return nn.Identity()
    entry = REGISTRY[config.qk_norm_over]
    norm: Norm = entry.classes(implementation)(config, heads if entry.all_heads else config.d_head)
    return norm
