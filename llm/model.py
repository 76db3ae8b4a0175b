"""The transformer: tokens in, a score for every possible next token out (Vaswani et al. 2017; Radford et al. 2019)."""

from __future__ import annotations

from typing import get_args

from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig
from llm.layers.block import Block
from llm.layers.cache import KeyValueCache
from llm.layers.embedding import build_embedding, build_unembedding
from llm.layers.mask.hidden import Documents
from llm.layers.norm.base import build_norm
from llm.layers.norm_position import REGISTRY as NORM_POSITIONS
from llm.layers.position.build import build_position


class Transformer(nn.Module):
    """Embedding → positions → blocks → final norm → unembedding.

    The implementation ("einops", "torch" or "fused") decides how each layer computes its result, not the result itself:
    a state dict loads into any of them. Post-norm models have no final norm, since each block's output is already
    normalised. Hooks: embedding, logits, and those of the blocks.

    Raises:
        ValueError: an unknown implementation.
    """

    def __init__(self, config: ModelConfig, implementation: Implementation = "fused") -> None:
        super().__init__()
        if implementation not in get_args(Implementation):
            allowed = ", ".join(get_args(Implementation))
            raise ValueError(f"implementation must be one of {allowed}, got {implementation!r}")
        self.config = config
        self.implementation = implementation
        self.embed = build_embedding(config, implementation)
        self.positions = build_position(config, implementation, "residual stream")
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, implementation, layer) for layer in range(config.n_layers))
        self.final_norm = (
            nn.Identity() if NORM_POSITIONS[config.norm_position].stream else build_norm(config, implementation)
        )
        self.unembed = build_unembedding(config, implementation, self.embed)
        self.hook_embedding, self.hook_logits = nn.Identity(), nn.Identity()

    def forward(
        self, tokens: Int[Tensor, "batch pos"], cache: KeyValueCache | None = None, documents: Documents = None
    ) -> Float[Tensor, "batch pos d_vocab"]:
        """Logits for the token after each position.

        With a cache, `tokens` are the positions that follow the cached ones, and are added to it. With `documents`, a
        number for each position, a position sees only those with its own number.

        Raises:
            ValueError: more positions than n_ctx, or documents together with a cache.
        """
        if documents is not None and cache is not None:
            raise ValueError("documents cannot be given with a cache, whose positions are all of one document")
        start = cache.length if cache is not None else 0
        if start + tokens.shape[1] > self.config.n_ctx:
            raise ValueError(
                f"{start + tokens.shape[1]} tokens are too many: this model reads at most n_ctx={self.config.n_ctx}"
            )
        resid = self.embed(tokens)  # [batch, pos, d_model]
        if self.positions is not None:
            resid = self.positions(resid, start)  # [batch, pos, d_model]
        resid = self.hook_embedding(self.dropout(resid))  # [batch, pos, d_model]
        for index, block in enumerate(self.blocks):
            resid = block(resid, cache.layers[index] if cache is not None else None, documents)  # [batch, pos, d_model]
        normalised = self.final_norm(resid)  # [batch, pos, d_model]
        return self.hook_logits(self.unembed(normalised))  # [batch, pos, d_vocab]
