import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.config import TrainingConfig
from llm.training.schedule import REGISTRY, learning_rate_multiplier


@given(
    steps=st.integers(1, 2000),
    warmup=st.floats(0, 0.5),
    decay=st.floats(0, 0.5),
    min_lr=st.floats(0, 1),
    kind=st.sampled_from(list(REGISTRY)),
    data=st.data(),
)
def test_every_step_moves_and_none_exceeds_the_peak(steps, warmup, decay, min_lr, kind, data):
    config = TrainingConfig(steps=steps, warmup=warmup, decay=decay, min_lr=min_lr, schedule=kind)
    step = data.draw(st.integers(1, steps))
    assert 0 < learning_rate_multiplier(step, config) <= 1


def test_warm_up_rises_linearly_and_reaches_the_peak_right_after():
    config = TrainingConfig(steps=100, warmup=0.1, schedule="constant")
    assert [round(learning_rate_multiplier(step, config) * 11, 9) for step in range(1, 13)] == [*range(1, 12), 11]


def test_trapezoid_stays_then_falls_linearly_towards_its_end():
    config = TrainingConfig(steps=100, warmup=0, decay=0.2, min_lr=0, schedule="trapezoid")
    assert learning_rate_multiplier(80, config) == learning_rate_multiplier(81, config) == 1
    assert learning_rate_multiplier(91, config) == pytest.approx(0.5)
    assert learning_rate_multiplier(100, config) == pytest.approx(1 / 20)


def test_cosine_is_half_way_down_in_the_middle():
    config = TrainingConfig(steps=100, warmup=0, min_lr=0.2, schedule="cosine")
    assert learning_rate_multiplier(1, config) == 1
    assert learning_rate_multiplier(51, config) == pytest.approx(0.6)
    assert learning_rate_multiplier(100, config) == pytest.approx(0.2, abs=1e-3)
