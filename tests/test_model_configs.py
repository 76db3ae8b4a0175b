"""The configurations that tests of models are parametrised over hold every option together with every other."""

import itertools
import math

import pytest
from covering_arrays import combinations, covering_rows
from model_configs import ACTIVATIONS, BASE, EXPERTS, OPTIONS, ROTARY, SIZES, component_configs, option_of, two_configs

from llm.config import ModelConfig, describe


def combinations_in(configs: list[ModelConfig], strength: int) -> set[frozenset]:
    return {
        frozenset((name, option_of(config, name)) for name in names)
        for config in configs
        for names in itertools.combinations(OPTIONS, strength)
    }


@pytest.mark.parametrize("strength", [2, 3])
def test_every_two_and_every_three_values_of_different_options_occur(strength):
    assert combinations_in(component_configs(strength), strength) == combinations(OPTIONS, strength)


@pytest.mark.parametrize(("strength", "slack"), [(2, 1), (3, 1.5)])
def test_hardly_more_rows_than_any_such_array_must_have(strength, slack):
    """The options with the most values alone need the product of their numbers of values."""
    fewest = math.prod(sorted(map(len, OPTIONS.values()))[-strength:])
    assert len(component_configs(strength)) <= slack * fewest


def test_every_detail_of_rotary_positions_occurs():
    rotary = [config for config in component_configs() if config.positional == "rope"]
    assert {name: {getattr(config, name) for config in rotary} for name in ROTARY} == {
        name: set(values) for name, values in ROTARY.items()
    }


def test_every_detail_of_a_mixture_of_experts_occurs():
    mixtures = [config for config in component_configs() if config.n_experts]
    assert {name: {getattr(config, name) for config in mixtures} for name in EXPERTS} == {
        name: set(values) for name, values in EXPERTS.items()
    }


def test_every_variant_and_switch_of_the_config_is_an_option():
    for name, field in describe(ModelConfig).items():
        if name == "activation":
            assert {config.activation for config in component_configs()} == set(field.choices)
            assert {*ACTIVATIONS[False], *ACTIVATIONS[True]} == set(field.choices)
        elif field.choices or field.kind is bool:
            assert set((OPTIONS | ROTARY | EXPERTS)[name]) == set(field.choices or (False, True)), name


def test_the_rows_are_the_same_each_time():
    assert covering_rows(OPTIONS) == covering_rows(OPTIONS)


def test_a_new_variant_is_covered_with_every_other():
    options = OPTIONS | {"norm": (*OPTIONS["norm"], "third"), "switch": (False, True)}
    rows = covering_rows(options)
    assert {frozenset(pair) for row in rows for pair in itertools.combinations(row.items(), 2)} == combinations(
        options, 2
    )


def test_no_two_sizes_are_the_same():
    assert len(set(SIZES.values())) == len(SIZES)


def test_two_configs_differ_in_every_option():
    base, other = two_configs()
    assert base == BASE
    assert all(getattr(base, name) != getattr(other, name) for name in OPTIONS)
