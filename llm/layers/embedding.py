"""Embedding and unembedding: from token ids into the residual stream, and out of it to a score for every next token.

Embedding:    resid[pos] = W_E[token[pos]], the same as a one-hot vector times W_E. With scale_embeddings it is
multiplied by √d_model (Vaswani et al. 2017, section 3.4; Gemma, arXiv:2403.08295).
Unembedding:  logits[pos] = resid[pos] · W_U. With tied embeddings W_U is W_E transposed (Press & Wolf 2017,
arXiv:1608.05859): a token is read and written in the same direction. With final_softcap each logit z becomes
cap · tanh(z / cap), so that none is beyond ±cap (Gemma 2, arXiv:2408.00118; Bello et al. 2017, arXiv:1611.09940).
"""

from __future__ import annotations

import math

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig


class TokenEmbedding(nn.Module):
    """One learned vector per token. Parameter: `W_E` [d_vocab, d_model], starts normal with deviation 0.02."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.d_vocab = config.d_vocab
        self.embedding_scale = math.sqrt(config.d_model) if config.scale_embeddings else None
        self.W_E = nn.Parameter(torch.empty(config.d_vocab, config.d_model).normal_(std=0.02))

    def vectors(self) -> Float[Tensor, "d_vocab d_model"]:
        """Every token's vector as it enters the residual stream."""
        return self.W_E if self.embedding_scale is None else self.W_E * self.embedding_scale


class TokenEmbeddingWithEinops(TokenEmbedding):
    """The definition: a one-hot row picks its vector by a matrix product."""

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        one_hot = nn.functional.one_hot(tokens, self.d_vocab).to(self.W_E.dtype)  # [batch, pos, d_vocab]
        resid = einsum(
            one_hot, self.W_E, "batch pos d_vocab, d_vocab d_model -> batch pos d_model"
        )  # [batch, pos, d_model]
        return resid if self.embedding_scale is None else resid * self.embedding_scale  # [batch, pos, d_model]


class TokenEmbeddingWithoutEinops(TokenEmbedding):
    """The same rows picked by indexing."""

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        resid = self.W_E[tokens]  # [batch, pos, d_model]
        return resid if self.embedding_scale is None else resid * self.embedding_scale  # [batch, pos, d_model]


class TokenEmbeddingFused(TokenEmbedding):
    """Torch's kernel for looking up rows."""

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        resid = nn.functional.embedding(tokens, self.W_E)  # [batch, pos, d_model]
        return resid if self.embedding_scale is None else resid * self.embedding_scale  # [batch, pos, d_model]


class Unembedding(nn.Module):
    """A score for every token of the vocabulary at every position.

    Parameter: `W_U` [d_model, d_vocab], starts normal with deviation 0.02. Tied: the embedding's own `W_E` instead,
    one parameter with two uses. Hook: uncapped, the logits before a soft-cap.
    """

    def __init__(self, config: ModelConfig, embedding: TokenEmbedding) -> None:
        super().__init__()
        self.final_softcap = config.final_softcap
        self.tied = config.tie_embeddings
        if self.tied:
            self.W_E = embedding.W_E
        else:
            self.W_U = nn.Parameter(torch.empty(config.d_model, config.d_vocab).normal_(std=0.02))
        self.hook_uncapped = nn.Identity()

    def matrix(self) -> Float[Tensor, "d_model d_vocab"]:
        """The matrix that turns a position's vector into logits, tied or not."""
        return self.W_E.T if self.tied else self.W_U


class UnembeddingWithEinops(Unembedding):
    """The product as an einops contraction over d_model."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_vocab"]:
        unembedding = self.matrix()  # [d_model, d_vocab]
        logits = einsum(
            resid, unembedding, "batch pos d_model, d_model d_vocab -> batch pos d_vocab"
        )  # [batch, pos, d_vocab]
        logits = self.hook_uncapped(logits)  # [batch, pos, d_vocab]
        if self.final_softcap is not None:
            logits = self.final_softcap * torch.tanh(logits / self.final_softcap)  # [batch, pos, d_vocab]
        return logits  # [batch, pos, d_vocab]


class UnembeddingWithoutEinops(Unembedding):
    """The product as a matmul."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_vocab"]:
        unembedding = self.matrix()  # [d_model, d_vocab]
        logits = self.hook_uncapped(torch.matmul(resid, unembedding))  # [batch, pos, d_vocab]
        if self.final_softcap is not None:
            logits = self.final_softcap * torch.tanh(logits / self.final_softcap)  # [batch, pos, d_vocab]
        return logits  # [batch, pos, d_vocab]


class UnembeddingFused(Unembedding):
    """The product as torch's linear map, which takes its weight transposed."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_vocab"]:
        logits = self.hook_uncapped(nn.functional.linear(resid, self.matrix().T))  # [batch, pos, d_vocab]
        if self.final_softcap is not None:
            logits = self.final_softcap * torch.tanh(logits / self.final_softcap)  # [batch, pos, d_vocab]
        return logits  # [batch, pos, d_vocab]


EMBEDDINGS = {
    "einops": TokenEmbeddingWithEinops,
    "torch": TokenEmbeddingWithoutEinops,
    "fused": TokenEmbeddingFused,
}
UNEMBEDDINGS = {"einops": UnembeddingWithEinops, "torch": UnembeddingWithoutEinops, "fused": UnembeddingFused}


def build_embedding(config: ModelConfig, implementation: Implementation) -> TokenEmbedding:
    """The token embedding in this implementation."""
    return EMBEDDINGS[implementation](config)


def build_unembedding(config: ModelConfig, implementation: Implementation, embedding: TokenEmbedding) -> Unembedding:
    """The unembedding in this implementation; it shares the embedding's weights where the config ties them."""
    return UNEMBEDDINGS[implementation](config, embedding)
