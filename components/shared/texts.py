"""The input text of a view: its maximum length, its default, and how its tokens are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from llm.checkpoints import Run
from llm.runs.corpus import run_corpus
from llm.tokenizers import Tokenizer

MAX_TOKENS = 512  # at most, in a view


def opening(run: Run, tokens: int = 32) -> str:
    """The first words of the run's held-out text, about this many tokens: the default input."""
    start = run_corpus(run.folder, run.tokenizer).excerpt("validation", 20 * tokens)
    ids = run.tokenizer.encode(start)[: min(tokens, run.config.n_ctx)]
    words = run.tokenizer.decode(ids)
    return words.rsplit(" ", 1)[0] if " " in words.strip() else words


def batch_of_one(tokens: Sequence[int]) -> Int[Tensor, "batch pos"]:
    """Token ids as a batch of one text."""
    return torch.tensor([list(tokens)])


def token_texts(tokenizer: Tokenizer, tokens: Iterable[int]) -> list[str]:
    """Each token for display."""
    return [tokenizer.token_text(token) for token in tokens]
