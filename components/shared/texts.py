"""The input text of a view: its maximum length, its default, and how its tokens are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from llm.checkpoints import Run
from llm.runs.corpus import NoTextError, run_corpus
from llm.tokenizers import Tokenizer, UnknownCharacterError

MAX_TOKENS = 512  # at most, in a view
EXAMPLE = "Once upon a time there was a fox, and the fox had a friend"  # for a run whose text is not here


def opening(run: Run, tokens: int = 32) -> str:
    """The first words of the run's held-out text, about this many tokens: the default input."""
    try:
        start = run_corpus(run.folder, run.tokenizer).excerpt("validation", 20 * tokens)
    except NoTextError:
        start = example(run.tokenizer)
    ids = run.tokenizer.encode(start)[: min(tokens, run.config.n_ctx)]
    words = run.tokenizer.decode(ids)
    return words.rsplit(" ", 1)[0] if " " in words.strip() else words


def example(tokenizer: Tokenizer) -> str:
    """A text for a model whose own is not here; where the tokenizer cannot express it, some of its tokens."""
    try:
        tokenizer.encode(EXAMPLE)
    except UnknownCharacterError:
        return tokenizer.decode(range(min(tokenizer.d_vocab, 20)))
    return EXAMPLE


def batch_of_one(tokens: Sequence[int]) -> Int[Tensor, "batch pos"]:
    """Token ids as a batch of one text."""
    return torch.tensor([list(tokens)])


def token_texts(tokenizer: Tokenizer, tokens: Iterable[int]) -> list[str]:
    """Each token for display."""
    return [tokenizer.token_text(token) for token in tokens]
