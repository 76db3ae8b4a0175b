"""Embedding and unembedding: from token ids into the residual stream, and out of it to a score for every next token.

Embedding:    resid[pos] = W_E[token[pos]], the same as a one-hot vector times W_E.
Unembedding:  logits[pos] = resid[pos] · W_U. With tied embeddings W_U is W_E transposed (Press & Wolf 2017,
arXiv:1608.05859): a token is read and written in the same direction.
"""

from __future__ import annotations

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
        self.W_E = nn.Parameter(torch.empty(config.d_vocab, config.d_model).normal_(std=0.02))


class TokenEmbeddingWithEinops(TokenEmbedding):
    """The definition: a one-hot row picks its vector by a matrix product."""

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        one_hot = nn.functional.one_hot(tokens, self.d_vocab).to(self.W_E.dtype)  # [batch, pos, d_vocab]
        return einsum(
            one_hot, self.W_E, "batch pos d_vocab, d_vocab d_model -> batch pos d_model"
        )  # [batch, pos, d_model]


class TokenEmbeddingWithoutEinops(TokenEmbedding):
    """The same rows picked by indexing."""

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        return self.W_E[tokens]  # [batch, pos, d_model]


class TokenEmbeddingFused(TokenEmbedding):
    """Torch's kernel for looking up rows."""

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        return nn.functional.embedding(tokens, self.W_E)  # [batch, pos, d_model]


class Unembedding(nn.Module):
    """A score for every token of the vocabulary at every position.

    Parameter: `W_U` [d_model, d_vocab], starts normal with deviation 0.02. Tied: the embedding's own `W_E` instead,
    one parameter with two uses.
    """

    def __init__(self, config: ModelConfig, embedding: TokenEmbedding) -> None:
        super().__init__()
        self.tied = config.tie_embeddings
        if self.tied:
            self.W_E = embedding.W_E
        else:
            self.W_U = nn.Parameter(torch.empty(config.d_model, config.d_vocab).normal_(std=0.02))

    def matrix(self) -> Float[Tensor, "d_model d_vocab"]:
        """The matrix that turns a position's vector into logits, tied or not."""
        return self.W_E.T if self.tied else self.W_U


class UnembeddingWithEinops(Unembedding):
    """The product as an einops contraction over d_model."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_vocab"]:
        unembedding = self.matrix()  # [d_model, d_vocab]
        return einsum(
            resid, unembedding, "batch pos d_model, d_model d_vocab -> batch pos d_vocab"
        )  # [batch, pos, d_vocab]


class UnembeddingWithoutEinops(Unembedding):
    """The product as a matmul."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_vocab"]:
        unembedding = self.matrix()  # [d_model, d_vocab]
        return torch.matmul(resid, unembedding)  # [batch, pos, d_vocab]


class UnembeddingFused(Unembedding):
    """The product as torch's linear map, which takes its weight transposed."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_vocab"]:
        return nn.functional.linear(resid, self.matrix().T)  # [batch, pos, d_vocab]


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
