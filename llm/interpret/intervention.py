"""Interventions on a single text: parts ablated, a head's attention overridden, and what the model predicts then."""

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
    """The model with this intervention made. `mean_over` is needed, and read, for mean ablation only.

    Raises:
        ValueError: as `ablate` and `override_attention`; mean ablation without `mean_over`.
    """
    if intervention.mean and mean_over is None:
        raise ValueError("mean ablation needs mean_over, the batch of text over which the mean is taken")
    parts = intervention.heads, intervention.mlps, intervention.scale, mean_over if intervention.mean else None
    with ablate(model, *parts) as altered:
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
    """The original model's prediction beside the altered one's."""

    original: TextPrediction
    altered: TextPrediction


def predict_text(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> TextPrediction:
    """Losses and final logits of the model on a single text.

    Raises:
        ValueError: tokens that the model cannot read.
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
    """What an intervention does to a single text. Yields between the two models.

    effect on the loss = mean of altered.losses − mean of original.losses
    effect on a logit difference = the same of logits[y] − logits[y′]

    Raises:
        ValueError: as `intervene`, or tokens that the model cannot read.
    """
    original = predict_text(model, tokens)
    yield
    with intervene(model, intervention, mean_over) as altered:
        return InterventionEffect(original, predict_text(altered, tokens))


@stepwise
def ablation_effects(
    model: Transformer, tokens: Int[Tensor, "batch pos"]
) -> Generator[None, None, Float[Tensor, "layer part"]]:
    """Change in a single text's loss with one part at a time zero-ablated: in each layer every head, then the MLP.

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
    """The `count` tokens with which the model continues a text, always the most likely one; fewer if the context ends.

    Yields after each token.

    Raises:
        ValueError: as `intervene`, or tokens that the model cannot read.
    """
    text = list(tokens)
    end = min(len(text) + count, model.config.n_ctx)
    with intervene(model, intervention, mean_over) as altered:
        while len(text) < end:
            text.append(int(predict_text(altered, torch.tensor([text])).logits.argmax()))
            yield
    return text[len(tokens) :]
