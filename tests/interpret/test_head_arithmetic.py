"""One head's arithmetic: the numbers are consistent with each other."""

import math

import numpy as np
import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES, every_config, every_config_in_some_implementation

from llm.config import ModelConfig
from llm.interpret.attention_patterns import attention_layers, value_weighted_pattern
from llm.interpret.head_arithmetic import distance_scores, head_arithmetic
from llm.interpret.recording import record

TOKENS = torch.randint(31, (1, 9), generator=torch.Generator().manual_seed(1))


@every_config_in_some_implementation
def test_content_and_position_add_up_to_the_score_and_the_scores_give_the_pattern(config, implementation):
    model = randomised(config, implementation)
    scale = math.sqrt(config.d_head)
    for layer in attention_layers(model, TOKENS):
        for head in range(config.n_heads):
            arithmetic = head_arithmetic(layer, head)
            query, key = 7, 3
            np.testing.assert_allclose(
                arithmetic.content + arithmetic.position, arithmetic.scores, rtol=1e-4, atol=1e-4
            )
            dot = float(arithmetic.query[query] @ arithmetic.key[key]) / scale
            if config.attention_softcap is not None:
                dot = config.attention_softcap * math.tanh(dot / config.attention_softcap)
            bias = arithmetic.position[query, key] if layer.attention.score_bias is not None else 0
            assert dot + bias == pytest.approx(arithmetic.scores[query, key], rel=1e-4, abs=1e-4)
            exponential = math.exp(arithmetic.scores[query, key] - arithmetic.highest[query])
            assert exponential / arithmetic.total[query] == pytest.approx(arithmetic.pattern[query, key], rel=1e-4)
            assert (np.isnan(arithmetic.pattern[3, 4:]) == config.causal).all() and not np.isnan(
                arithmetic.pattern[3, :4]
            ).any()


@every_config
def test_the_weighted_pattern_equals_the_recorded_pattern_weighted(config):
    model = randomised(config)
    last = list(attention_layers(model, TOKENS))[-1]
    names = [f"blocks.{config.n_layers - 1}.attention.{kind}" for kind in ("pattern", "value")]
    recorded = record(model, TOKENS, names)
    expected = value_weighted_pattern(*(recorded[name] for name in names))[0]
    for head in range(config.n_heads):
        np.testing.assert_allclose(
            np.nan_to_num(head_arithmetic(last, head).weighted), expected[head], rtol=1e-4, atol=1e-7
        )


@pytest.mark.parametrize("positional", ["rope", "alibi"])
def test_distance_scores_are_the_mean_over_all_pairs_at_that_distance(positional):
    """Over every query and every key, whatever their positions: rotated by the model's rotary layer, or its bias."""
    config = ModelConfig(**SIZES, positional=positional)
    layer = next(attention_layers(randomised(config), TOKENS))
    scores = distance_scores(layer)
    assert scores.shape == (config.n_heads, 9)
    for head in (0, 5):
        for distance in (0, 1, 8):
            if positional == "alibi":
                expected = -float(layer.attention.score_bias.slopes[head]) * distance
            else:
                rotary, group = layer.attention.rotation, layer.attention.group
                queries = rotary(layer.plain_query[0, head][:, None, None], start=distance)[:, 0, 0]
                keys = layer.plain_key[0, head // group]
                expected = float((queries @ keys.T).mean()) / math.sqrt(config.d_head)
            assert float(scores[head, distance]) == pytest.approx(expected)


def test_schemes_that_do_not_act_by_distance_have_no_such_scores():
    layer = next(attention_layers(randomised(ModelConfig(**SIZES)), TOKENS))
    assert distance_scores(layer).shape == (6, 0)
    assert np.nanmax(np.abs(head_arithmetic(layer, 0).position)) == 0


@pytest.mark.parametrize("head", [-1, 6])
def test_a_head_that_does_not_exist_is_named(head):
    layer = next(attention_layers(randomised(ModelConfig(**SIZES)), TOKENS))
    with pytest.raises(ValueError, match=f"head {head} does not exist: a layer's heads are 0 to 5"):
        head_arithmetic(layer, head)
