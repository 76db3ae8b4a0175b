"""Intervening: turn parts of a model down or steer a head's gaze, and compare what it says with what it said before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.ablation import Head, ablate, edit_pattern
from llm.interpret.recording import as_batch, check_heads, record
from llm.loss import token_losses
from llm.model import Transformer

Gaze = Literal["itself", "previous", "first", "evenly", "token"]


@dataclass(frozen=True)
class Edit:
    """One head's attention, steered: for one query position, or for all of them (None).

    `to`: the query itself, the token before it, the first token, evenly all that it may see, or the token at position
    `key` (queries before that one, which cannot see it, stay as they are).
    """

    layer: int
    head: int
    to: Gaze
    query: int | None = None
    key: int = 0


@dataclass(frozen=True)
class Intervention:
    """Parts whose output is turned to `scale`, and at most one edit; see `ablate` for what `mean` stands for."""

    heads: tuple[Head, ...] = ()
    mlps: tuple[int, ...] = ()
    scale: float = 0.0
    mean: bool = False
    edit: Edit | None = None

    def ablate(
        self, model: Transformer, mean_over: Int[Tensor, "batch pos"] | None = None
    ) -> AbstractContextManager[Transformer]:
        """The model with its parts turned down, the edit not yet made. `mean_over` is read for mean ablation only."""
        return ablate(model, self.heads, self.mlps, self.scale, mean_over if self.mean else None)


@dataclass(frozen=True)
class Reaction:
    """What a model makes of a text: how each of its tokens surprised it, and its scores for the next one."""

    losses: Float[Tensor, " before"]  # of tokens 1, 2, …, in nats
    logits: Float[Tensor, " d_vocab"]  # after the last token


def edited_pattern(pattern: Float[Tensor, "query_pos key_pos"], edit: Edit) -> Float[Tensor, "query_pos key_pos"]:
    """The pattern with the rows that `edit` names replaced; each of them sums to 1, and none looks ahead.

    Raises:
        ValueError: a query or key that does not exist, a query that cannot see the key, an unknown gaze.
    """
    positions = pattern.shape[-1]
    for name, position in (("query", edit.query or 0), ("key", edit.key)):
        if not 0 <= position < positions:
            raise ValueError(f"{name}={position} does not exist: this text's positions are 0 to {positions - 1}")
    if edit.to == "token" and edit.query is not None and edit.key > edit.query:
        raise ValueError(f"position {edit.query} cannot look at position {edit.key}: that one comes later")
    place = torch.arange(positions, device=pattern.device)  # [query_pos]
    aims = {
        "itself": place,
        "previous": (place - 1).clamp(min=0),
        "first": torch.zeros_like(place),
        "token": torch.full_like(place, edit.key),
    }
    if edit.to not in get_args(Gaze):
        raise ValueError(f"to={edit.to!r} is unknown: choose one of {', '.join(get_args(Gaze))}")
    if edit.to == "evenly":
        wanted = (place[:, None] >= place).to(pattern) / (place[:, None] + 1)  # [query_pos, key_pos]
    else:
        wanted = nn.functional.one_hot(aims[edit.to], positions).to(pattern)  # [query_pos, key_pos]
    changed = wanted.tril().sum(dim=-1) > 0  # [query_pos]
    if edit.query is not None:
        changed &= place == edit.query  # [query_pos]
    return torch.where(changed[:, None], wanted, pattern)


def edited_logits(
    model: Transformer, tokens: Int[Tensor, "batch pos"], edit: Edit | None
) -> Float[Tensor, "pos d_vocab"]:
    """The scores after every token of a single text, with the edit made to the pattern that this text has.

    Raises:
        ValueError: as `edited_pattern`, a head that does not exist, tokens that the model cannot read.
    """
    if edit is None:
        return record(model, tokens, ["logits"])["logits"][0]
    check_heads(model, [(edit.layer, edit.head)])
    name = f"blocks.{edit.layer}.attention.pattern"
    pattern = record(model, tokens, [name])[name][0, edit.head]  # [query_pos, key_pos]
    with edit_pattern(model, edit.layer, edit.head, edited_pattern(pattern, edit)) as edited:
        return record(edited, tokens, ["logits"])["logits"][0]


def react(model: Transformer, tokens: Int[Tensor, "batch pos"], edit: Edit | None = None) -> Reaction:
    """What the model, with this edit, makes of a single text. The mean of its losses is the loss of `effect`."""
    tokens = as_batch(model, tokens)
    logits = edited_logits(model, tokens, edit)  # [pos, d_vocab]
    return Reaction(token_losses(logits[None, :-1], tokens[:, 1:])[0], logits[-1])


def likeliest(model: Transformer, tokens: Sequence[int], count: int, edit: Edit | None = None) -> Iterator[int]:
    """The text's continuation, always by the likeliest token, at most until the context is full."""
    written = list(tokens)
    while len(written) < min(len(tokens) + count, model.config.n_ctx):
        written.append(int(edited_logits(model, torch.tensor([written]), edit)[-1].argmax()))
        yield written[-1]


def each_alone(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Iterator[float]:
    """Change in loss with one part's output replaced by zero: layer by layer, each head, then the MLP.

    Raises:
        ValueError: a text of one token, which has no loss.
    """
    if tokens.shape[-1] < 2:
        raise ValueError("a text of one token has no loss: the model has to predict at least one more")
    whole = react(model, tokens).losses.mean()
    for layer in range(model.config.n_layers):
        heads = (Intervention(heads=((layer, head),)) for head in range(model.config.n_heads))
        for change in (*heads, Intervention(mlps=(layer,))):
            with change.ablate(model) as altered:
                yield float(react(altered, tokens).losses.mean() - whole)
