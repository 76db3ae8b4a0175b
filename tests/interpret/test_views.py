"""What the page Attention shows is what the model computed, and each number follows from those beside it."""

import math

import numpy as np
import pytest
import torch
from interpret_models import by_hand, randomised
from model_configs import IMPLEMENTATIONS, SIZES, every_config

from llm.config import ModelConfig
from llm.data import TextData
from llm.interpret import head_scores, loss_by_position, record, value_weighted_pattern
from llm.interpret.views import (
    attention_layers,
    cell_span,
    distance_scores,
    head_label,
    head_view,
    held_out_losses,
    next_token,
    scores_by_layer,
    small_pattern,
    without_first,
)

TOKENS = torch.randint(31, (1, 9), generator=torch.Generator().manual_seed(1))


@every_config
def test_layers_taken_one_by_one_are_those_of_a_whole_forward_pass(config):
    model = randomised(config)
    whole = record(model, TOKENS, ["pattern", "scores", "query", "key", "value"])
    for number, layer in enumerate(attention_layers(model, TOKENS)):
        for name in ("pattern", "scores", "query", "key", "value"):
            torch.testing.assert_close(getattr(layer, name), whole[f"blocks.{number}.attention.{name}"])
    assert number == config.n_layers - 1


def test_a_walk_that_waits_leaves_gradients_on_and_the_model_without_hooks():
    model = randomised(ModelConfig(**SIZES))
    walk = attention_layers(model, TOKENS)
    assert not next(walk).pattern.requires_grad
    assert torch.is_grad_enabled()
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@every_config
def test_content_and_position_make_the_score_and_the_score_makes_the_share(config, implementation):
    model = randomised(config, implementation)
    scale = math.sqrt(config.d_head)
    for layer in attention_layers(model, TOKENS):
        for head in range(config.n_heads):
            view = head_view(layer, head)
            query, key = 7, 3
            np.testing.assert_allclose(view.content + view.position, view.scores, rtol=1e-4, atol=1e-4)
            dot = float(view.query[query] @ view.key[key]) / scale
            bias = view.position[query, key] if config.positional == "alibi" else 0
            assert dot + bias == pytest.approx(view.scores[query, key], rel=1e-4, abs=1e-4)
            exponential = math.exp(view.scores[query, key] - view.highest[query])
            assert exponential / view.total[query] == pytest.approx(view.pattern[query, key], rel=1e-4)
            assert np.isnan(view.pattern[3, 4:]).all() and not np.isnan(view.pattern[3, :4]).any()


@every_config
def test_weighted_pattern_is_the_librarys_own(config):
    model = randomised(config)
    last = list(attention_layers(model, TOKENS))[-1]
    wanted = value_weighted_pattern(model, TOKENS, config.n_layers - 1)[0]
    for head in range(config.n_heads):
        np.testing.assert_allclose(np.nan_to_num(head_view(last, head).weighted), wanted[head], rtol=1e-4, atol=1e-7)


def test_without_the_first_token_the_others_keep_their_proportions():
    pattern = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.5, 0.125, 0.375]])
    wanted = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.25, 0.75]])
    torch.testing.assert_close(without_first(pattern), wanted)
    assert pattern[1, 0] == 0.9  # the pattern that was given is as it was


@pytest.mark.parametrize("positional", ["rope", "alibi"])
def test_distance_scores_are_the_mean_over_all_pairs_at_that_distance(positional):
    """Of every query with every key, wherever they stood: turned by the model's own rotary layer, or its own bias."""
    config = ModelConfig(**SIZES, positional=positional)
    layer = next(attention_layers(randomised(config), TOKENS))
    found = distance_scores(layer)
    assert found.shape == (config.n_heads, 9)
    for head in (0, 5):
        for distance in (0, 1, 8):
            if positional == "alibi":
                wanted = -float(layer.attention.alibi.slopes[head]) * distance
            else:
                rotary, group = layer.attention.rotary, layer.attention.group
                queries = rotary(layer.plain_query[0, head][:, None, None], start=distance)[:, 0, 0]
                keys = layer.plain_key[0, head // group]
                wanted = float((queries @ keys.T).mean()) / math.sqrt(config.d_head)
            assert float(found[head, distance]) == pytest.approx(wanted)


def test_schemes_that_do_not_act_by_distance_have_no_such_scores():
    layer = next(attention_layers(randomised(ModelConfig(**SIZES)), TOKENS))
    assert distance_scores(layer).shape == (6, 0)
    assert np.nanmax(np.abs(head_view(layer, 0).position)) == 0


def test_scores_by_layer_are_the_head_scores():
    model = by_hand()
    whole = head_scores(model, torch.arange(20), length=8)
    for number, scores in enumerate(scores_by_layer(model, torch.arange(20))):
        for name in ("previous", "duplicate", "induction", "first", "entropy"):
            torch.testing.assert_close(getattr(scores, name), getattr(whole, name)[number])


def test_a_head_is_named_only_after_a_high_score():
    assert head_label(0.94, 0.01, 0.02, 0.03) == ("previous", 0.94)
    assert head_label(0.1, 0.2, 0.7, 0.0) == ("induction", 0.7)
    assert head_label(0.5, 0.1, 0.1, 0.2) is None


def test_small_patterns_tell_small_weights_from_none():
    pattern = torch.tensor([[[1.0, 0.0], [0.998, 0.002]]])
    assert small_pattern(pattern).tolist() == [[[255, 0], [255, 11]]]


def test_a_cell_of_a_long_pattern_shows_the_greatest_weight_in_it():
    pattern = torch.zeros(1, 5, 5)
    pattern[0, 4, 3] = 1.0
    assert cell_span(5, cells=3) == 2
    small = small_pattern(pattern, cells=3)
    assert small.shape == (1, 3, 3)
    assert small[0].nonzero().tolist() == [[2, 1]]


def test_next_token_is_the_likeliest():
    model = randomised(ModelConfig(**SIZES))
    probabilities = record(model, TOKENS)["logits"][0, -1].softmax(dim=-1)
    assert next_token(model, TOKENS[0].tolist()) == (
        int(probabilities.argmax()),
        pytest.approx(float(probabilities.max())),
    )


def test_held_out_losses_end_in_the_loss_by_position():
    model = randomised(ModelConfig(**SIZES))
    ids = torch.randint(31, (400,), dtype=torch.int32)
    data = TextData(ids, ids, 16, 400)
    *_, last = held_out_losses(model, data, windows=10, batch_size=4)
    inputs, targets = data.evaluation_windows(10)
    torch.testing.assert_close(last.by_position, loss_by_position(model, inputs, targets))
    assert last.windows == 10


@pytest.mark.parametrize("head", [-1, 6])
def test_a_head_that_does_not_exist_is_named(head):
    layer = next(attention_layers(randomised(ModelConfig(**SIZES)), TOKENS))
    with pytest.raises(ValueError, match=f"head {head} does not exist: a layer's heads are 0 to 5"):
        head_view(layer, head)
