"""The key/value cache: keys and values of earlier positions, so that a new token costs one position."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from llm.config import ModelConfig
from llm.layers.mask import require_causal


class LayerCache:
    """Keys and values of one attention layer, for at most `n_ctx` positions."""

    def __init__(self, n_ctx: int) -> None:
        self.n_ctx = n_ctx
        self.length = 0
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def append(
        self, key: Float[Tensor, "batch kv_head pos d_head"], value: Float[Tensor, "batch kv_head pos d_head"]
    ) -> tuple[Float[Tensor, "batch kv_head key_pos d_head"], Float[Tensor, "batch kv_head key_pos d_head"]]:
        """Add the new positions; returns all positions, oldest first."""
        if self.keys is None or self.values is None:
            batch, kv_head, _, d_head = key.shape
            self.keys = key.new_empty(batch, kv_head, self.n_ctx, d_head)
            self.values = value.new_empty(batch, kv_head, self.n_ctx, d_head)
        end = self.length + key.shape[2]
        self.keys[:, :, self.length : end] = key
        self.values[:, :, self.length : end] = value
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class KeyValueCache:
    """One `LayerCache` for each block. It is filled in place; for inference only, gradients do not pass through it.

    Raises ValueError for a model whose positions see later ones: with each token, all earlier values would change.
    """

    def __init__(self, config: ModelConfig) -> None:
        require_causal(config, "write text")
        self.layers = [LayerCache(config.n_ctx) for _ in range(config.n_layers)]

    @property
    def length(self) -> int:
        """Number of cached positions."""
        return self.layers[0].length
