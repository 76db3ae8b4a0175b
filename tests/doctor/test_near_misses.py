"""Each rule of the doctor speaks just beyond its threshold, and is silent just before it."""

import dataclasses
import math

import pytest

from llm.config import TrainingConfig
from llm.costs import parameter_count
from llm.doctor import RULES
from llm.doctor.record import Measured, RunRecord
from llm.presets import preset
from llm.runs.config import RunConfig

STEPS = 200
MODEL = preset("gpt", d_vocab=500, d_model=16, n_layers=1, n_heads=1, n_ctx=16)
PARAMETERS = parameter_count(MODEL).total
TRAINING = TrainingConfig(steps=STEPS, batch_size=8, warmup=0.0, optimizer="adamw").for_model(MODEL)
READ = STEPS * 8 * 16  # tokens
UNIFORM = math.log(500)
FLAT = [2.0] * STEPS
CALM = [2.0 + 0.01 * (-1) ** step for step in range(STEPS)]  # noise 0.021
NOISY = [2.0 + 0.1 * (-1) ** step for step in range(STEPS)]  # noise 0.21
FALLING = [2.0 - 0.001 * step for step in range(STEPS)]


def record(losses=CALM, state="finished", message="", norms=None, layers=None, validation=(), final=None, lines=None,
           text=None, **training) -> RunRecord:  # fmt: skip
    """What the doctor knows of a run in which nothing is remarkable but what is given."""
    count = len(losses)
    config = RunConfig(MODEL, dataclasses.replace(TRAINING, **training), {"text": {"train_tokens": text}})
    return RunRecord(
        "20260131120000", config, state, message, count, list(range(1, count + 1)), list(losses),
        norms or [0.5] * count, layers or [{"embed": 1.0, "block 0": 1.0, "final": 1.0}] * count, list(validation),
        None if final is None else Measured(final, 0.03, count),
        {name: Measured(loss, 0.04) for name, loss in (lines or {}).items()},
    )  # fmt: skip


def with_peak(height, length=2):
    return [*CALM[:100], *[2.0 + height] * length, *CALM[100 + length :]]


def with_step(losses, height, at=100):
    return [loss + height * (index >= at) for index, loss in enumerate(losses)]


def with_layer(norm, count=STEPS):
    return [{"embed": 1.0, "block 0": norm, "final": 1.0}] * count


def best_in_the_middle(gap, count=10):
    """Validation losses that fall in a straight line to 1 at step 100, and then rise by `gap` in another one."""
    losses = [1.0 + 0.1 * (4 - at) if at < 5 else 1.0 + gap * (at - 4) / 5 for at in range(10)]
    return [Measured(loss, 0.1, 20 * (at + 1)) for at, loss in enumerate(losses)][10 - count :]


def above(length, at=0):
    """Losses that are above the uniform line for so many steps."""
    return [*CALM[:at], *[1.11 * UNIFORM] * length, *CALM[at + length :]]


RISEN = {"validation": best_in_the_middle(0.1)[4:6]}
SLOW = {"final": 2.0, "lines": {"bigram": 1.0}}
NEAR = 2 * 0.05  # two standard errors of a difference, √(0.03² + 0.04²)

CASES = {  # by rule: a record in which it finds something, and records in which it just does not
    "learning_rate_far_too_high": (
        {"learning_rate": TRAINING.learning_rate * 30.1},
        {"learning_rate": TRAINING.learning_rate * 29.9},
        {"losses": above(9)},
        {"losses": above(9, at=50)},
        {"losses": above(10)},  # an untrained model may begin there
        {"losses": above(49)[:49]},
        {"losses": [1.09 * UNIFORM] * STEPS},
    ),
    "diverged": (
        {"message": "Training diverged in step 3: loss became nan.", "state": "failed"},
        {"message": "stopped early at step 3: before Training diverged", "state": "failed"},
    ),
    "loss_spike": (
        {"losses": with_peak(0.41)},
        {"losses": with_peak(0.39)},
        {"losses": with_peak(5.0, length=1)},
        {"losses": [*CALM[:47], 2.41, 2.41]},  # 49 steps
    ),
    "learning_rate_too_high": (
        {"losses": with_step(CALM, 0.041)},
        {"losses": with_step(CALM, 0.039)},
        {"losses": with_step(NOISY, 0.26)},  # 4 √2 standard errors are 0.265
    ),
    "learning_rate_too_low": (
        {**SLOW, "learning_rate": TRAINING.learning_rate * 0.33},
        {**SLOW, "learning_rate": TRAINING.learning_rate * 0.34},
        {**SLOW, "learning_rate": TRAINING.learning_rate * 0.33, "lines": {"bigram": 2.0 - NEAR + 0.001}},
        {**SLOW, "learning_rate": TRAINING.learning_rate * 0.33, "state": "running"},
    ),
    "gradients_clipped": (
        {"norms": [3.0] * 190 + [0.5] * 10},
        {"norms": [3.0] * 189 + [0.5] * 11},
        {"norms": [2.99] * 200},
        {"norms": [3.0] * 200, "grad_clip": 0.0},
    ),
    "vanishing_gradients": (
        {"layers": with_layer(0.00099)},
        {"layers": with_layer(0.00101)},
        {"layers": with_layer(0.00099, count=24), "losses": CALM[:24]},
    ),
    "too_short": (
        {"losses": with_step(CALM, -0.0205, at=160)},
        {"losses": with_step(CALM, -0.0195, at=160)},
        {"losses": with_step(CALM, -0.0205, at=160), "state": "running"},
        {"losses": with_step(CALM, -0.0205, at=160), **RISEN},  # an earlier validation loss is lower
    ),
    "overfitting": (
        {"losses": FALLING, "validation": best_in_the_middle(0.021)},
        {"losses": FALLING, "validation": best_in_the_middle(0.019)},
        {"losses": FLAT, "validation": best_in_the_middle(0.021)},
        {"losses": FALLING, "validation": best_in_the_middle(0.3, count=4)},
    ),
    "above_the_lines": (
        {"final": 3.0 + NEAR + 0.001, "lines": {"unigram": 3.0}},
        {"final": 3.0 + NEAR - 0.001, "lines": {"unigram": 3.0}},
    ),
    "below_the_lines": (
        {"final": 1.0 - NEAR - 0.001, "lines": {"trigram": 1.0}},
        {"final": 1.0 - NEAR + 0.001, "lines": {"trigram": 1.0}},
    ),
    "too_noisy": (
        {"final": 1.0 + NEAR - 0.001, "lines": {"bigram": 1.0}},
        {"final": 1.0 + NEAR + 0.001, "lines": {"bigram": 1.0}},
        {"final": 1.0 - NEAR - 0.001, "lines": {"bigram": 1.0}},
    ),
    "text_too_small": (
        {"text": READ // 4 - 1},
        {"text": READ // 4},
        {"text": PARAMETERS, "steps": 10_000},
    ),
}  # fmt: skip


def test_every_rule_has_its_near_misses():
    assert {rule.__name__ for rule in RULES} == set(CASES)
    assert PARAMETERS > READ // 4  # so that only the number of readings decides in the first two


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_speaks_beyond_its_threshold_and_not_before_it(rule):
    beyond, *before = CASES[rule.__name__]
    assert rule(record(**beyond)).rule == rule.__name__
    assert [rule(record(**case)) for case in before] == [None] * len(before)


def test_in_a_run_without_anything_remarkable_no_rule_speaks():
    assert [rule(record()) for rule in RULES] == [None] * len(RULES)


@pytest.mark.parametrize(("gap", "kind"), [(0.049, "hint"), (0.051, "wrong")])
def test_overfitting_is_wrong_from_a_twentieth_on(gap, kind):
    (rule,) = (rule for rule in RULES if rule.__name__ == "overfitting")
    assert rule(record(losses=FALLING, validation=best_in_the_middle(gap))).kind == kind


@pytest.mark.parametrize("losses", [above(10, at=5), above(50)[:50], above(STEPS)])
def test_a_loss_above_guessing_for_steps_on_end_is_a_rate_far_too_high(losses):
    (rule,) = (rule for rule in RULES if rule.__name__ == "learning_rate_far_too_high")
    finding = rule(record(losses=losses, warmup=0.1))
    assert "above 6.21, that of guessing every token alike" in finding.evidence
    assert finding.advice.startswith("Try a third of it: learning_rate")


def test_text_as_long_as_the_model_has_parameters_is_not_small_for_it():
    (rule,) = (rule for rule in RULES if rule.__name__ == "text_too_small")
    assert rule(record(text=PARAMETERS - 1, steps=10_000)).rule == "text_too_small"
