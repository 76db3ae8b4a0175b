"""Which experts a text's tokens go to in a mixture of experts, and which tokens an expert gets more often than others.

weights[layer, pos, expert] is what the router gives: 0 for an expert that does not compute the token (`Router`). Where
a token goes says which expert computes it, not what that expert does with it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.recording import record
from llm.model import Transformer
from llm.runtime.stepwise import stepwise


@dataclass(frozen=True)
class ExpertTokens:
    """Of each layer and expert, the tokens that it gets more often than an average token; the most excess first.

    excess(token, expert) = times that the token went there − times that it occurred · the expert's load,
    load = fraction of all tokens that went there.
    """

    tokens: Int[Tensor, "layer expert top"]
    fraction: Float[Tensor, "layer expert top"]  # of the token's occurrences that went there
    occurred: Int[Tensor, "layer expert top"]  # how often the token was read
    load: Float[Tensor, "layer expert"]


def expert_weights(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "layer batch pos expert"]:
    """The routers' weights on a text.

    Raises:
        ValueError: the model has no experts, or the tokens are invalid (see `as_batch`).
    """
    if model.config.n_experts == 0:
        raise ValueError("this model has no experts: every token goes through the same MLPs")
    return torch.stack(list(record(model, tokens, ["expert_weights"]).values()))


@stepwise
def expert_tokens(
    model: Transformer, windows: Int[Tensor, "window pos"], top: int = 8, batch_size: int = 8
) -> Generator[None, None, ExpertTokens]:
    """The tokens that each expert gets more often than others, in these windows of a text. Yields after each batch.

    Raises:
        ValueError: as `expert_weights`.
    """
    config = model.config
    went = torch.zeros(config.n_layers, config.n_experts, config.d_vocab, dtype=torch.int64)  # [layer, expert, d_vocab]
    occurred = torch.zeros(config.d_vocab, dtype=torch.int64)  # [d_vocab]
    for start in range(0, len(windows), batch_size):
        read = windows[start : start + batch_size].to(torch.int64)  # [batch, pos]
        there = (expert_weights(model, read) > 0).flatten(1, 2).cpu().long()  # [layer, token, expert]
        went.index_add_(2, read.flatten().cpu(), there.transpose(1, 2))
        occurred += read.flatten().cpu().bincount(minlength=config.d_vocab)
        yield
    load = went.sum(dim=2) / occurred.sum()  # [layer, expert]
    excess = went - load.unsqueeze(2) * occurred  # [layer, expert, d_vocab]
    best = excess.topk(min(top, config.d_vocab)).indices  # [layer, expert, top]
    times = occurred[best]  # [layer, expert, top]
    return ExpertTokens(best, went.gather(2, best) / times.clamp(min=1), times, load)
