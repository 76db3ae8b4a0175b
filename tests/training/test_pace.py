"""What a training step takes here is measured before a run starts."""

import math

import pytest

from llm import TrainingConfig, preset
from llm.runtime.text import duration
from llm.training import pace

TINY = preset("llama", d_vocab=20, d_model=8, n_layers=1, n_heads=1, n_ctx=8)


def test_a_step_is_measured_at_its_own_size(monkeypatch):
    asked = []
    made = pace.Trainer
    monkeypatch.setattr(pace, "Trainer", lambda *parts, **more: asked.append(parts[3]) or made(*parts, **more))
    seconds = pace.seconds_per_step(TINY, TrainingConfig(batch_size=3, accumulation=2, optimizer="adamw", device="cpu"))
    assert 0 < seconds < math.inf
    assert [(config.batch_size, config.optimizer) for config in asked] == [(6, "adamw")]


def test_a_long_step_is_told_from_two_short_ones(monkeypatch):
    monkeypatch.setattr(pace, "STEP_FLOPS", 0)  # so that two windows are already too many
    monkeypatch.setattr(pace, "_measured", lambda model, training, windows: 5.0 + 2.0 * windows)
    assert pace.seconds_per_step(TINY, TrainingConfig(batch_size=16, accumulation=4)) == 5.0 + 2.0 * 64


def test_only_small_steps_are_measured_unasked():
    assert pace.is_quick(preset("llama", d_vocab=2048), TrainingConfig())
    assert not pace.is_quick(preset("llama", "medium", d_vocab=2048), TrainingConfig())


def test_a_model_for_a_gpu_is_not_tried(monkeypatch):
    monkeypatch.setattr(pace, "_measured", lambda *_: pytest.fail("tried"))
    assert pace.seconds_per_step(preset("gpt", "full", d_vocab=50_000), TrainingConfig()) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0941, "0.094 s"), (3.42, "3.4 s"), (59.4, "59 s"), (59.6, "1 min"), (3569, "59 min"), (3580, "1 h"),
     (7860, "2 h 11 min"), (90_000, "25 h"), (345_600, "4 days")],
)  # fmt: skip
def test_lengths_of_time_in_words(seconds, words):
    assert duration(seconds) == words
