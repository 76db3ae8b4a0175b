"""Temperature, penalties and filters against their definitions."""

import dataclasses
import itertools
import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from sampling_models import kept, softmax

from llm import filters
from llm.config import SamplingConfig
from llm.filters import (
    apply_filters,
    filter_stages,
    min_p,
    repetition_penalty,
    temperature,
    top_k,
    top_p,
)

# Scores with many ties, and scores of every size.
scores = st.lists(st.floats(-12, 12) | st.integers(-2, 2).map(float), min_size=1, max_size=12)
fractions = st.floats(0, 1) | st.sampled_from([0.25, 0.5, 0.75, 1.0])


@given(scores, st.lists(st.integers(0, 11), max_size=20), st.floats(1, 100))
@example([2.0, -2.0, 0.0], [0, 1, 2, 2], 2.0)
def test_repetition_penalty_lowers_each_token_of_the_text_once(values, tokens, penalty):
    tokens = [token for token in tokens if token < len(values)]
    found = repetition_penalty(torch.tensor(values, dtype=torch.float64), tokens, penalty).tolist()
    for token, value in enumerate(values):
        if token not in tokens:
            assert found[token] == value
        else:
            assert found[token] == pytest.approx(value / penalty if value > 0 else value * penalty)
            assert found[token] <= value
            assert found[token] < value or penalty == 1 or abs(value) < 1e-300


def test_a_penalty_below_one_makes_repetition_likelier():
    found = repetition_penalty(torch.tensor([2.0, -2.0, 1.0]), [0, 1], 0.5)
    assert found.tolist() == [4.0, -1.0, 1.0]


@given(scores, st.floats(0.05, 50))
def test_temperature_divides_the_scores(values, temperature_setting):
    found = temperature(torch.tensor(values, dtype=torch.float64), temperature_setting).softmax(-1).tolist()
    assert found == pytest.approx(softmax([value / temperature_setting for value in values]), abs=1e-12)


@given(scores, st.floats(0, 1e-8) | st.sampled_from([0.0, 5e-324, 1e-310, 1e-300, 1e-30]))
def test_temperature_zero_is_greedy_and_a_tiny_one_nearly(values, temperature_setting):
    logits = torch.tensor([round(value) for value in values]).double()  # no two that differ by next to nothing
    probabilities = temperature(logits, temperature_setting).softmax(-1)
    assert probabilities.sum().item() == pytest.approx(1)
    likeliest = logits == logits.max()
    if temperature_setting == 0:
        assert (probabilities == 1).sum() == 1
        assert likeliest[probabilities.argmax()]
    else:
        assert probabilities[likeliest].sum().item() == pytest.approx(1)


@given(scores, st.integers(1, 15))
def test_top_k_keeps_exactly_the_k_likeliest_even_of_equals(values, k):
    logits = torch.tensor(values, dtype=torch.float64)
    left = kept(top_k(logits, k), logits)
    assert len(left) == min(k, len(values))
    dropped = [value for token, value in enumerate(values) if token not in left]
    assert min(values[token] for token in left) >= max(dropped, default=-math.inf)


@given(scores, fractions.filter(lambda fraction: fraction > 0))
@example([0.0, 0.0, 0.0, 0.0], 0.5)
@example([0.0, 0.0, 0.0, 0.0], 0.75)
@example([0.0, 0.0], 5e-324)
def test_top_p_keeps_the_fewest_of_the_likeliest_that_sum_to_p(values, fraction):
    logits = torch.tensor(values, dtype=torch.float64)
    left = kept(top_p(logits, fraction), logits)
    probabilities = softmax(values)
    dropped = [probabilities[token] for token in range(len(values)) if token not in left]
    smallest = min(probabilities[token] for token in left)
    rounding = 1e-12
    assert smallest >= max(dropped, default=0) - rounding
    total = sum(probabilities[token] for token in left)
    assert total >= fraction - rounding
    assert len(left) == 1 or fraction == 1 or total - smallest < fraction + rounding


def test_top_p_of_one_keeps_all():
    logits = torch.tensor([0.0, -50, -800, 50])
    assert kept(top_p(logits, 1.0), logits) == [0, 1, 2, 3]


@given(scores, fractions)
def test_min_p_keeps_what_is_at_least_that_fraction_as_likely_as_the_likeliest(values, fraction):
    logits = torch.tensor(values, dtype=torch.float64)
    left = kept(min_p(logits, fraction), logits)
    probabilities = softmax(values)
    for token, probability in enumerate(probabilities):
        threshold = fraction * max(probabilities)
        if abs(probability - threshold) > 1e-12:
            assert (token in left) == (probability > threshold)
    assert [token for token in left if values[token] == max(values)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("number", [1e-300, 1e-45, 1e-8, 0.999999999, 1.0])
def test_the_likeliest_token_always_stays(dtype, number):
    logits = torch.randn(3, 50).to(dtype)
    for changed in (top_p(logits, number), min_p(logits, number), temperature(logits, number), top_k(logits, 1)):
        assert torch.equal(changed.argmax(-1), logits.argmax(-1))
        assert changed.softmax(-1).sum(-1) == pytest.approx(torch.ones(3), rel=1e-5)


FILTERS = {
    "repetition_penalty": lambda logits: repetition_penalty(logits, [1, 3, 3], 1.7),
    "temperature": lambda logits: temperature(logits, 0.6),
    "greedy": lambda logits: temperature(logits, 0),
    "top_k": lambda logits: top_k(logits, 3),
    "top_p": lambda logits: top_p(logits, 0.7),
    "min_p": lambda logits: min_p(logits, 0.2),
    "all": lambda logits: apply_filters(
        logits, [2, 4], SamplingConfig(repetition_penalty=1.3, temperature=0.9, top_k=5, top_p=0.9, min_p=0.05)
    ),
}


@pytest.mark.parametrize("change", FILTERS.values(), ids=FILTERS)
def test_filters_treat_each_row_of_a_batch_alone_and_leave_what_they_are_given(change):
    logits = torch.randn(2, 3, 9).double()
    before = logits.clone()
    whole = change(logits)
    assert torch.equal(logits, before)
    assert whole.shape == logits.shape
    for index in itertools.product(range(2), range(3)):
        assert torch.equal(whole[index], change(logits[index]))


@given(
    st.lists(st.floats(-1e300, 1e300) | st.floats(-5, 5), min_size=1, max_size=8),
    st.floats(1e-300, 1e308),
    st.floats(0, 1e308),
    st.none() | st.integers(1, 9),
    st.none() | st.floats(0, 1, exclude_min=True),
    st.none() | st.floats(0, 1),
)
@example([-1.0, -2.0], 1e308, 0.5, None, None, None)
@example([1.0, 2.0], 1e-300, 1.0, None, 0.5, None)
def test_any_settings_leave_probabilities_that_sum_to_one(values, penalty, temperature_setting, k, p, least):
    config = SamplingConfig(repetition_penalty=penalty, temperature=temperature_setting, top_k=k, top_p=p, min_p=least)
    filtered = apply_filters(torch.tensor(values, dtype=torch.float64), list(range(len(values))), config)
    assert filtered.softmax(-1).sum().item() == pytest.approx(1)


FILTER_NAMES = ["repetition_penalty", "temperature", "top_k", "top_p", "min_p"]


def test_the_names_of_the_filters_are_fields_of_the_config_in_their_order():
    names = [field.name for field in dataclasses.fields(SamplingConfig)]
    assert [name for name in names if name not in ("max_new_tokens", "seed", "stop")] == FILTER_NAMES


choices = ([1.0, 1.3], [1.0, 0.0, 0.6], [None, 3], [None, 0.8], [None, 0.2])


@given(scores, st.tuples(*map(st.sampled_from, choices)))
def test_each_stage_is_one_filter_more_in_the_order_of_the_configs_fields(values, settings):
    config = SamplingConfig(**dict(zip(FILTER_NAMES, settings, strict=True)))
    on = [name for name in FILTER_NAMES if getattr(config, name) not in (None, 1.0)]
    tokens = list(range(0, len(values), 2))
    logits = torch.tensor(values, dtype=torch.float64)
    stages = filter_stages(logits, tokens, config)
    assert list(stages) == ["model", *on]
    for name, stage in stages.items():
        if name != "model":
            before = (tokens,) if name == "repetition_penalty" else ()
            logits = getattr(filters, name)(logits, *before, getattr(config, name))
        assert torch.equal(stage, logits)
        assert stage.softmax(-1).sum().item() == pytest.approx(1)
    assert torch.equal(apply_filters(torch.tensor(values, dtype=torch.float64), tokens, config), logits)


def test_filters_that_are_off_change_nothing():
    logits = torch.randn(9)
    assert torch.equal(apply_filters(logits, [1, 2], SamplingConfig(temperature=1.0)), logits)


def test_each_filter_sees_what_the_one_before_left():
    """0.5, 0.3, 0.2: the two likeliest are then 0.625 and 0.375, and top-p of 0.6 needs only the first."""
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    config = SamplingConfig(temperature=1.0, top_k=2, top_p=0.6)
    assert kept(apply_filters(logits, [], config), logits) == [0]
    assert kept(apply_filters(logits, [], dataclasses.replace(config, top_k=None)), logits) == [0, 1]
