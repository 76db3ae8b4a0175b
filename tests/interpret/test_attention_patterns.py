"""Attention patterns computed layer by layer equal the model's, and thumbnails keep what matters."""

import torch
from interpret_models import grouped_model, randomised
from model_configs import SIZES, every_config

from llm.config import ModelConfig
from llm.interpret.attention_patterns import (
    attention_layers,
    pattern_thumbnails,
    pattern_without_first,
    thumbnail_span,
    value_weighted_pattern,
)
from llm.interpret.recording import record

TOKENS = torch.randint(31, (1, 9), generator=torch.Generator().manual_seed(1))


@every_config
def test_layers_computed_one_by_one_equal_those_of_one_forward_pass(config):
    model = randomised(config)
    recorded = record(model, TOKENS, ["pattern", "scores", "query", "key", "value"])
    for number, layer in enumerate(attention_layers(model, TOKENS)):
        for name in ("pattern", "scores", "query", "key", "value"):
            torch.testing.assert_close(getattr(layer, name), recorded[f"blocks.{number}.attention.{name}"])
    assert number == config.n_layers - 1


def test_a_suspended_walk_leaves_gradients_enabled_and_the_model_without_hooks():
    model = randomised(ModelConfig(**SIZES))
    walk = attention_layers(model, TOKENS)
    assert not next(walk).pattern.requires_grad
    assert torch.is_grad_enabled()
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_weights_use_the_value_of_the_heads_group():
    model = grouped_model()
    attention = model.blocks[0].attention
    with torch.no_grad():  # value head 1 is 0 except for token 3
        attention.W_V[1].zero_()[0, 3] = 1
    tokens = torch.tensor([[3, 1, 3, 0, 2]])
    recorded = record(model, tokens)
    pattern, value = recorded["blocks.0.attention.pattern"], recorded["blocks.0.attention.value"]
    weighted = value_weighted_pattern(pattern, value)
    torch.testing.assert_close(weighted.sum(dim=-1), torch.ones(1, 4, 5))
    assert not weighted[:, 2:, :, [1, 3, 4]].any()
    torch.testing.assert_close(weighted[:, :2], pattern[:, :2])  # each attends to one position: nothing to weight


def test_without_the_first_token_the_other_weights_keep_their_proportions():
    pattern = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.5, 0.125, 0.375]])
    expected = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.25, 0.75]])
    torch.testing.assert_close(pattern_without_first(pattern), expected)
    assert pattern[1, 0] == 0.9  # the input is unchanged


def test_thumbnails_show_small_weights_above_zero():
    pattern = torch.tensor([[[1.0, 0.0], [0.998, 0.002]]])
    assert pattern_thumbnails(pattern).tolist() == [[[255, 0], [255, 11]]]


def test_a_cell_of_a_long_pattern_shows_the_greatest_weight_in_it():
    pattern = torch.zeros(1, 5, 5)
    pattern[0, 4, 3] = 1.0
    assert thumbnail_span(5, cells=3) == 2
    small = pattern_thumbnails(pattern, cells=3)
    assert small.shape == (1, 3, 3)
    assert small[0].nonzero().tolist() == [[2, 1]]
