"""A text that a model reads: its tokens, the model in every implementation, and one recorded forward pass."""

from __future__ import annotations

from collections.abc import Generator

import torch

from llm.config import ModelConfig
from llm.model import Transformer
from llm.runtime.stepwise import finish
from llm.tokenizers import Tokenizer
from llm.trace.forward_pass import ForwardPass, implementations, record_forward_pass

MAX_TOKENS = 512


class TracedText:
    """One text that a model reads. The forward pass is recorded once, when it is first needed.

    Call everything here that runs torch on the compute thread.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer, text: str) -> None:
        """Raises ValueError for a text that has no tokens or that the tokenizer cannot encode."""
        ids = tokenizer.encode(text)
        if not ids:
            raise ValueError("The text is empty: a forward pass needs at least one token")
        self.tokenizer = tokenizer
        self.n_omitted = max(0, len(ids) - min(model.config.n_ctx, MAX_TOKENS))
        self.token_ids = ids[: len(ids) - self.n_omitted]
        self.models = implementations(model)
        self._forward_pass: ForwardPass | None = None

    @property
    def config(self) -> ModelConfig:
        """The model's configuration."""
        return self.models["fused"].config

    @property
    def tokens(self) -> list[str]:
        """The text's tokens, for display."""
        return [self.tokenizer.token_text(token) for token in self.token_ids]

    def record(self) -> Generator[float, None, ForwardPass]:
        """Record the forward pass unless it is recorded already; yields the fraction of work done."""
        if self._forward_pass is None:
            model = self.models["fused"]
            tokens = torch.tensor([self.token_ids], device=model.embed.W_E.device)
            self._forward_pass = yield from record_forward_pass.steps(model, tokens)
        return self._forward_pass

    @property
    def forward_pass(self) -> ForwardPass:
        """The forward pass that all traces share."""
        return finish(self.record())

    def token_at(self, axis: str, index: int) -> str | None:
        """The token at an index of this axis; None for an axis of neither positions nor vocabulary."""
        if axis == "d_vocab":
            return self.tokenizer.token_text(index)
        return self.tokens[index] if axis in ("pos", "query_pos", "key_pos") else None
