"""The log-probabilities of a text's tokens: the model's own, before any filter, in nats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from llm.model import Transformer
from llm.runtime.evaluation_mode import evaluating
from llm.tokenizers import TextDecoder, Tokenizer


class TokenLogprob(NamedTuple):
    """A token of a text, its log-probability, and those of the likeliest tokens in its place."""

    text: str  # for display, from Tokenizer.token_text
    logprob: float | None  # None: the first token, which nothing precedes
    top: dict[str, float] | None  # likeliest first; with the token itself
    offset: int  # where its text begins


class Measured:
    """Describes the tokens of one text in turn."""

    def __init__(self, tokenizer: Tokenizer, count: int) -> None:
        """`count`: likeliest tokens to name."""
        self.tokenizer, self.count = tokenizer, count
        self._decoder, self._offset = TextDecoder(tokenizer), 0

    def describe(self, token: int, logits: Float[Tensor, " d_vocab"] | None) -> TokenLogprob:
        """The next token, and the logits that it was drawn from."""
        offset, text = self._offset, self.tokenizer.token_text(token)
        self._offset += len(self._decoder.push(token))
        if logits is None:
            return TokenLogprob(text, None, None, offset)
        logprobs = logits.double().log_softmax(dim=-1)  # [d_vocab]
        likeliest = logprobs.topk(min(self.count, len(logprobs)))
        top: dict[str, float] = {}
        for other, logprob in zip(likeliest.indices.tolist(), likeliest.values.tolist(), strict=True):
            top.setdefault(self.tokenizer.token_text(other), logprob)
        own = logprobs[token].item()
        top.setdefault(text, own)
        return TokenLogprob(text, own, top, offset)


def prompt_logprobs(model: Transformer, tokenizer: Tokenizer, tokens: Sequence[int], count: int) -> list[TokenLogprob]:
    """Those of a prompt's tokens, at most n_ctx."""
    with torch.no_grad(), evaluating(model):
        logits = model(torch.tensor([tokens], device=model.embed.W_E.device))[0].cpu()  # [pos, d_vocab]
    measured = Measured(tokenizer, count)
    return [measured.describe(token, logits[pos - 1] if pos else None) for pos, token in enumerate(tokens)]
