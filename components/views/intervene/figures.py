"""The figures of an intervention on a text, each kept for the next request: effects and continuations."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from components.shared.selection import Selection, text_data
from components.shared.texts import batch_of_one, token_texts
from components.shared.view import require_finite
from llm.interpret.intervention import (
    Intervention,
    InterventionEffect,
    TextPrediction,
    ablation_effects,
    greedy_continuation,
    intervention_effect,
)
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

WINDOWS = 4  # of held-out text, over which the mean is taken
TOP = 6  # most likely tokens of each model that are compared
CONTINUATION_TOKENS = 24  # that each model appends

_ablations: ResultCache[list[float]] = ResultCache(8)
_effects: ResultCache[dict[str, Any]] = ResultCache(32)
_continuations: ResultCache[list[int]] = ResultCache(32)


def ablations_of(selection: Selection) -> list[float]:
    """The effect of ablating each part alone on this text; of a text of one token, which has no loss, none."""
    run = selection.run()
    if len(selection.tokens) < 2:
        return []

    def compute_effects() -> list[float]:
        steps = ablation_effects.steps(run.model, batch_of_one(selection.tokens))
        return compute.finish(steps).flatten().tolist()

    return _ablations.get((run.folder.path, run.step, selection.tokens), compute_effects)


def effect_of(selection: Selection, intervention: Intervention) -> dict[str, Any]:
    """Losses and next-token probabilities of both models, and the logit difference of the original's top two tokens."""
    run = selection.run()

    def compute_effect() -> dict[str, Any]:
        mean_over = _mean_over(selection, intervention)
        steps = intervention_effect.steps(run.model, batch_of_one(selection.tokens), intervention, mean_over)
        return _compared(selection, compute.finish(steps))

    return _effects.get((run.folder.path, run.step, selection.tokens, intervention), compute_effect)


def _mean_over(selection: Selection, intervention: Intervention) -> Tensor | None:
    return compute.run(text_data(selection).evaluation_windows, WINDOWS)[0] if intervention.mean else None


def _compared(selection: Selection, effect: InterventionEffect) -> dict[str, Any]:
    original, altered = effect.original, effect.altered
    require_finite("Logits", original.logits, original.losses, altered.logits, altered.losses)
    probabilities = [prediction.logits.float().softmax(dim=-1) for prediction in (original, altered)]
    count = min(TOP, len(original.logits))
    likely = torch.stack([values.topk(count).indices for values in probabilities]).flatten().unique()
    likely = likely[probabilities[0][likely].argsort(descending=True)].tolist()
    pair = original.logits.topk(min(2, len(original.logits))).indices.tolist()
    texts = token_texts(selection.run().tokenizer, likely + pair)
    return {
        "loss": [_mean_loss(original), _mean_loss(altered)],
        "losses": [prediction.losses.tolist() for prediction in (original, altered)],
        "next": [[text, *(float(values[token]) for values in probabilities)]
                 for token, text in zip(likely, texts, strict=False)],
        "pair": texts[len(likely):],
        "difference": [float(model.logits[pair[0]] - model.logits[pair[-1]]) for model in (original, altered)],
    }  # fmt: skip


def _mean_loss(prediction: TextPrediction) -> float | None:
    """A text of one token has no loss."""
    loss = float(prediction.losses.mean())
    return loss if math.isfinite(loss) else None


def continuation_of(selection: Selection, intervention: Intervention) -> list[int]:
    """The altered model's greedy continuation, one token per task."""
    run = selection.run()

    def generate() -> list[int]:
        mean_over = _mean_over(selection, intervention)
        steps = greedy_continuation.steps(run.model, selection.tokens, CONTINUATION_TOKENS, intervention, mean_over)
        return compute.finish(steps)

    return _continuations.get((run.folder.path, run.step, selection.tokens, intervention), generate)


def both_continuations(selection: Selection, intervention: Intervention) -> list[list[str]]:
    """The continuations of both models for display."""
    return [
        token_texts(selection.run().tokenizer, continuation_of(selection, each))
        for each in (Intervention(), intervention)
    ]
