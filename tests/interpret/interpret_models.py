"""Models for the interpretation tests: random ones, and three whose heads are built by hand."""

import torch

from llm import Transformer
from llm.config import ModelConfig


def randomised(config: ModelConfig, implementation: str = "fused", dtype: torch.dtype = torch.float64) -> Transformer:
    """A model in which no parameter has a special value such as 0 or 1, so that each one matters."""
    model = Transformer(config, implementation).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.to(dtype)


def induction_model(implementation: str = "fused") -> Transformer:
    """Layer 0, head 0 attends to the previous position and copies its token; layer 1, head 0 is an induction head.

    The stream has a one-hot part for the token, one for the position, and one for the previous position's token.
    Induction: the query is the token, the key the previous token, so it finds what followed the token last time. The
    other head of each layer has zero weights and so attends evenly; MLPs write nothing.
    """
    tokens, positions = 20, 16
    config = ModelConfig(
        d_vocab=tokens, d_model=2 * tokens + positions, n_layers=2, n_heads=2, n_kv_heads=2, d_head=tokens, d_mlp=4,
        n_ctx=positions, norm="rmsnorm", bias=False, tie_embeddings=False,
    )  # fmt: skip
    model = Transformer(config, implementation).eval()
    first, second = (block.attention for block in model.blocks)
    token, position, previous = slice(0, tokens), slice(tokens, tokens + positions), slice(tokens + positions, None)
    with torch.no_grad():
        for block in model.blocks:
            for parameter in (*block.attention.parameters(), *block.mlp.parameters()):
                parameter.zero_()
        model.embed.W_E.zero_()[:, token] = torch.eye(tokens)
        model.positions.W_pos.zero_()[:, position] = torch.eye(positions)
        model.unembed.W_U.zero_()[token] = torch.eye(tokens)
        key_before = torch.eye(tokens, positions).roll(1, dims=1)  # query p + 1 looks for key p
        key_before[:, 0] = 0
        first.W_Q[0, :, position] = 10 * key_before
        first.W_K[0, :, position] = 10 * torch.eye(tokens, positions)
        first.W_V[0, :, token] = torch.eye(tokens)
        first.W_O[0, :, previous] = torch.eye(tokens)
        second.W_Q[0, :, token] = 10 * torch.eye(tokens)
        second.W_K[0, :, previous] = 10 * torch.eye(tokens)
        second.W_K[0, :, tokens] = -10  # no position precedes 0, so it copied itself
        second.W_V[0, :, token] = torch.eye(tokens)
        second.W_O[0, :, token] = 10 * torch.eye(tokens)
    return model


def grouped_model() -> Transformer:
    """Four query heads that look for the previous position: key head 0 matches it, key head 1 only position 0."""
    config = ModelConfig(
        d_vocab=5, d_model=17, n_layers=1, n_heads=4, n_kv_heads=2, d_head=12, d_mlp=4, n_ctx=12, norm="rmsnorm",
        bias=False,
    )  # fmt: skip
    model = Transformer(config)
    attention = model.blocks[0].attention
    with torch.no_grad():
        attention.W_Q.zero_()
        attention.W_K.zero_()
        model.embed.W_E.zero_()[:, :5] = torch.eye(5)
        model.positions.W_pos.zero_()[:, 5:] = torch.eye(12)
        key_before = torch.eye(12).roll(1, dims=1)
        key_before[:, 0] = 0
        attention.W_Q[:, :, 5:] = key_before * 10
        attention.W_K[0, :, 5:] = torch.eye(12) * 10
        attention.W_K[1, :, 5] = 10
    return model


def rope_head(distance: int, n_kv_heads: int) -> Transformer:
    """All queries are equal, all keys are equal, their angles differ by `distance`: all heads attend that far back."""
    config = ModelConfig(
        d_vocab=8, d_model=16, n_layers=1, n_heads=4, n_kv_heads=n_kv_heads, d_head=8, d_mlp=4, n_ctx=16,
        positional="rope",
    )  # fmt: skip
    model = Transformer(config)
    attention = model.blocks[0].attention
    angle = distance * config.rope_theta ** (-torch.arange(0, 8, 2) / 8)
    with torch.no_grad():
        attention.W_Q.zero_()
        attention.W_K.zero_()
        attention.b_Q.copy_(torch.cat([torch.ones(4), torch.zeros(4)]) * 20)
        attention.b_K.copy_(torch.cat([angle.cos(), angle.sin()]) * 20)
    return model
