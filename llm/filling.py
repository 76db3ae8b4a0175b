"""Filling in blanks: which tokens a model with a bidirectional mask finds likely at a place, from both sides of it.

A blank is written `___` and stands for one token. The model reads the mask token there, as in its training, and its
softmax over the logits at that position is the answer. Several blanks are filled in independently of each other: for
each, the model does not know what stands in the others, so it cannot write a text that way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from llm.model import Transformer
from llm.reading import NonFiniteLogitsError
from llm.runtime.evaluation_mode import evaluating
from llm.tokenizers import Tokenizer

BLANK = "___"
CANDIDATES = 8
_BLANKS = re.compile("_{3,}")


class Candidate(NamedTuple):
    """A token that a blank may be."""

    id: int
    text: str  # for display, from Tokenizer.token_text
    probability: float


@dataclass(frozen=True)
class Blank:
    """A blank of a text, and its likeliest tokens, the likeliest first."""

    position: int  # of its token in the text
    candidates: tuple[Candidate, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it, as a JSON object."""
        return {"position": self.position, "candidates": [candidate._asdict() for candidate in self.candidates]}


@torch.no_grad()
def fill(model: Transformer, tokenizer: Tokenizer, text: str, count: int = CANDIDATES) -> list[Blank]:
    """The `count` likeliest tokens of each blank in a text.

    Where tokens begin with the space before a word, as with bpe, the space before a blank is part of what is filled in.

    Raises:
        ValueError: the model predicts next tokens; the text has no blank, or more tokens than the model reads.
        UnknownCharacterError: (a ValueError) the tokenizer cannot encode the text.
        NonFiniteLogitsError: (a ValueError) the logits contain NaN or infinity, because the weights diverged.
    """
    config = model.config
    if config.causal or tokenizer.mask_token is None:
        raise ValueError(
            f"A model with mask={config.mask!r} fills in no blanks: it has learned to continue a text, without what "
            "comes after it. Generate with it: uv run llm infer, or the page Generate"
        )
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    tokens, positions = encode_blanks(tokenizer, text)
    if not positions:
        raise ValueError(f"The text has no blank: write {BLANK} where the model is to fill in a token")
    if len(tokens) > config.n_ctx:
        raise ValueError(f"The text has {len(tokens)} tokens, and this model reads at most n_ctx={config.n_ctx}")
    with evaluating(model):
        logits: Tensor = model(torch.tensor([tokens], device=model.embed.W_E.device))[0, positions]  # [blank, d_vocab]
    if not logits.isfinite().all():
        raise NonFiniteLogitsError
    top = logits.cpu().double().softmax(dim=-1).topk(min(count, config.d_vocab))  # each [blank, candidate]
    found = zip(positions, top.indices.tolist(), top.values.tolist(), strict=True)
    return [
        Blank(position, tuple(Candidate(id, tokenizer.token_text(id), p) for id, p in zip(ids, values, strict=True)))
        for position, ids, values in found
    ]


def encode_blanks(tokenizer: Tokenizer, text: str) -> tuple[list[int], list[int]]:
    """The ids of a text with the mask token in place of each blank, and the positions of these."""
    assert tokenizer.mask_token is not None
    tokens: list[int] = []
    positions: list[int] = []
    first, *others = _BLANKS.split(text)
    spaced = _has_spaced_tokens(tokenizer)
    for number, part in enumerate([first, *others]):
        if number:
            positions.append(len(tokens))
            tokens.append(tokenizer.mask_token)
        before_a_blank = number < len(others)
        tokens += tokenizer.encode(part.removesuffix(" ") if spaced and before_a_blank else part)
    return tokens, positions


def _has_spaced_tokens(tokenizer: Tokenizer) -> bool:
    """Whether a word and the space before it can be one token."""
    every = map(tokenizer.token_bytes, range(tokenizer.d_vocab))
    return any(re.match(rb" \w", token) for token in every)


def with_blank(tokenizer: Tokenizer, text: str) -> str:
    """A text with a blank in place of the token in its middle, for an example."""
    tokens = tokenizer.encode(text)
    middle = len(tokens) // 2
    before, after = tokenizer.decode(tokens[:middle]), tokenizer.decode(tokens[middle + 1 :])
    spaced = bool(tokens) and re.match(rb" .", tokenizer.token_bytes(tokens[middle])) is not None
    return f"{before}{' ' * spaced}{BLANK}{after}"
