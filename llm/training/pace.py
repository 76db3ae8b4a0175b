"""How long a training step takes on this machine: measured, on random tokens, before a run starts."""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import torch

from llm.config import ModelConfig, TrainingConfig
from llm.costs import flops_per_token
from llm.data import TextData
from llm.data.masking import Masking
from llm.data.passages import Passages
from llm.model import Transformer
from llm.runtime import compute
from llm.tokenizers.char import CharTokenizer
from llm.training.trainer import Trainer

STEP_FLOPS = 20e9  # that a measured step takes at most, if it can be split so far: a fifth of a second on two cores
TOO_MANY_FLOPS = 10 * STEP_FLOPS  # in a single window
TIMED_STEPS = 3  # after one that is not: the first allocates what the others reuse


def is_quick(model: ModelConfig, training: TrainingConfig) -> bool:
    """Whether measuring a step takes less than a second or so on two cores."""
    return training.batch_size * training.accumulation * _window_flops(model) <= STEP_FLOPS


def seconds_per_step(model: ModelConfig, training: TrainingConfig) -> float | None:
    """Seconds that an optimizer step takes; what is measured and written between steps comes on top.

    A long step is measured on two smaller batches; each further window is taken to cost what the second one adds. None:
    a single window takes too long to try.

    Raises:
        ValueError: a device, precision or batch that this machine cannot train with.
    """
    windows = training.batch_size * training.accumulation
    if _window_flops(model) > TOO_MANY_FLOPS:
        return None
    tried = max(2, int(STEP_FLOPS / _window_flops(model)))
    same_step = TrainingConfig(
        optimizer=training.optimizer, precision=training.precision, device=training.device,
        gradient_checkpointing=training.gradient_checkpointing,
    )  # fmt: skip
    if windows <= tried:
        return _measured(model, same_step, windows)
    one, several = _measured(model, same_step, 1), _measured(model, same_step, tried)
    return one + (windows - 1) * max(0.0, several - one) / (tried - 1)


def _window_flops(model: ModelConfig) -> int:
    return flops_per_token(model, model.n_ctx).training * model.n_ctx


@lru_cache(maxsize=64)
def _measured(model: ModelConfig, training: TrainingConfig, windows: int) -> float:
    """The median of some steps, each of so many windows. Pages get their turn between two of them."""
    trainer = compute.run(_trainer, model, training, windows)
    seconds = [compute.run(next, trainer).seconds for _ in range(1 + TIMED_STEPS)]  # in all, after each step
    return statistics.median(later - earlier for earlier, later in pairwise(seconds))


def _trainer(model: ModelConfig, training: TrainingConfig, windows: int) -> Trainer:
    """A trainer on random tokens that measures nothing between its steps."""
    tokenizer = CharTokenizer.train("ab")
    tokens = torch.randint(model.d_vocab, (4 * (model.n_ctx + 1),), dtype=torch.int32)
    masking = None if model.causal else Masking(model.d_vocab - 1)
    data = TextData(tokens, Passages.from_text("ab", tokenizer), model.n_ctx, masking=masking)
    return Trainer(Transformer(model), tokenizer, data, replace(training, batch_size=windows), evaluators=[])
