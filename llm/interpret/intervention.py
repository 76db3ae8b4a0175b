"""Interventions on a single text: ablate parts, override a head's attention, and measure how the predictions change."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.ablation import Head, ablate
from llm.interpret.attention_override import AttentionOverride, override_attention
from llm.interpret.recording import as_batch, record
from llm.loss import token_losses
from llm.model import Transformer
from llm.runtime.stepwise import stepwise


@dataclass(frozen=True)
class Intervention:
    """Parts to ablate (see `ablate`) and at most one attention override; `mean`: replace by the mean, not by zero."""

    heads: tuple[Head, ...] = ()
    mlps: tuple[int, ...] = ()
    scale: float = 0.0
    mean: bool = False
    override: AttentionOverride | None = None


@contextmanager
def intervene(
    model: Transformer, intervention: Intervention, mean_over: Int[Tensor, "batch pos"] | None = None
) -> Iterator[Transformer]:
    """The model with this intervention applied. Only mean ablation needs and reads `mean_over`.

    Raises:
        ValueError: as `ablate` and `override_attention`; mean ablation without `mean_over`.
    """
    if intervention.mean and mean_over is None:
        raise ValueError("mean ablation needs mean_over, the batch of text to average over")
    ablation = intervention.heads, intervention.mlps, intervention.scale, mean_over if intervention.mean else None
    with ablate(model, *ablation) as altered:
        if intervention.override is None:
            yield altered
        else:
            with override_attention(altered, intervention.override) as overridden:
                yield overridden


@dataclass(frozen=True)
class TextPrediction:
    """What a model predicts on a single text: the loss of each token, and the logits of the one that follows."""

    losses: Float[Tensor, " before"]  # of tokens 1, 2, …, in nats; before = pos − 1
    logits: Float[Tensor, " d_vocab"]  # after the last token


@dataclass(frozen=True)
class InterventionEffect:
    """The predictions of the original and of the altered model."""

    original: TextPrediction
    altered: TextPrediction


def predict_text(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> TextPrediction:
    """Losses and final logits of the model on a single text.

    Raises:
        ValueError: invalid tokens (see `as_batch`).
    """
    tokens = as_batch(model, tokens)
    logits = record(model, tokens, ["logits"])["logits"][0]  # [pos, d_vocab]
    return TextPrediction(token_losses(logits[None, :-1], tokens[:, 1:])[0], logits[-1])


@stepwise
def intervention_effect(
    model: Transformer,
    tokens: Int[Tensor, "batch pos"],
    intervention: Intervention,
    mean_over: Int[Tensor, "batch pos"] | None = None,
) -> Generator[None, None, InterventionEffect]:
    """How an intervention changes what the model predicts on a single text. Yields between the two models.

    effect on the loss = mean of altered.losses − mean of original.losses
    effect on a logit difference = logits[y] − logits[y′] of altered − that of original

    Raises:
        ValueError: as `intervene`, or invalid tokens (see `as_batch`).
    """
    original = predict_text(model, tokens)
    yield
    with intervene(model, intervention, mean_over) as altered:
        return InterventionEffect(original, predict_text(altered, tokens))


@stepwise
def ablation_effects(
    model: Transformer, tokens: Int[Tensor, "batch pos"]
) -> Generator[None, None, Float[Tensor, "layer part"]]:
    """Change in a single text's loss when one part at a time is zero-ablated: each layer's heads, then its MLP.

    effect = mean loss with the part ablated − mean loss. Yields after each part.

    Raises:
        ValueError: a text of one token, which has no loss.
    """
    if tokens.shape[-1] < 2:
        raise ValueError("a text of one token has no loss: give at least two")
    loss = predict_text(model, tokens).losses.mean()
    effects = []
    for layer in range(model.config.n_layers):
        heads = (Intervention(heads=((layer, head),)) for head in range(model.config.n_heads))
        for part in (*heads, Intervention(mlps=(layer,))):
            with intervene(model, part) as altered:
                effects.append(predict_text(altered, tokens).losses.mean() - loss)
            yield
    return torch.stack(effects).reshape(model.config.n_layers, model.config.n_heads + 1)


@stepwise
def greedy_continuation(
    model: Transformer,
    tokens: Sequence[int],
    count: int,
    intervention: Intervention = Intervention(),
    mean_over: Int[Tensor, "batch pos"] | None = None,
) -> Generator[None, None, list[int]]:
    """Continue a text with the most likely token `count` times, or until the context is full. Returns the new tokens.

    Yields after each token.

    Raises:
        ValueError: as `intervene`, or invalid tokens (see `as_batch`).
    """
    text = list(tokens)
    end = min(len(text) + count, model.config.n_ctx)
    with intervene(model, intervention, mean_over) as altered:
        while len(text) < end:
            text.append(int(predict_text(altered, torch.tensor([text])).logits.argmax()))
            yield
    return text[len(tokens) :]
