"""Activation patching: patching nothing gives 0, patching everything 1."""

import pytest
import torch
from interpret_models import randomised
from model_configs import IMPLEMENTATIONS, SIZES, every_config
from torch.testing import assert_close

from llm.config import ModelConfig
from llm.interpret.activation_patching import Patch, activation_patching, logit_difference


@every_config
def test_patching_everything_gives_one_and_nothing_gives_zero(config):
    model = randomised(config)
    clean, corrupt = torch.randint(config.d_vocab, (2, 7))
    everything = [[Patch("resid_pre", layer)] for layer in range(2)]
    *full, none = activation_patching(model, clean, corrupt, (1, 2), [*everything, []]).tolist()
    assert full == pytest.approx([1, 1], abs=1e-9)
    assert none == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("site", ["resid_pre", "attention_out", "mlp_out", "head"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_experiments_of_one_batch_are_independent(site, implementation):
    model = randomised(ModelConfig(**SIZES), implementation)
    clean, corrupt = torch.randint(31, (2, 5))
    heads = [0, 5] if site == "head" else [None]
    experiments = [
        [Patch(site, layer, (position,), head)] for layer in range(2) for head in heads for position in range(5)
    ]
    effects = activation_patching(model, clean, corrupt, (1, 2), experiments, batch_size=7)
    assert effects.shape == (len(experiments),)
    for effect, experiment in zip(effects.tolist(), experiments, strict=True):
        alone = activation_patching(model, clean, corrupt, (1, 2), [experiment])
        assert effect == pytest.approx(alone.item(), abs=1e-9)
    assert effects.abs().max() > 0.01


def test_patching_every_head_equals_patching_attention():
    model = randomised(ModelConfig(**SIZES))
    clean, corrupt = torch.randint(31, (2, 5))
    heads = [Patch("head", 1, None, head) for head in range(6)]
    effects = activation_patching(model, clean, corrupt, (1, 2), [heads, [Patch("attention_out", 1)]])
    assert_close(effects[0], effects[1])


def test_only_the_position_that_differs_matters_before_the_first_layer():
    model = randomised(ModelConfig(**SIZES))
    clean = torch.tensor([3, 1, 4, 1, 5])
    corrupt = torch.tensor([3, 1, 9, 1, 5])
    experiments = [[Patch("resid_pre", 0, (position,))] for position in range(5)]
    effects = activation_patching(model, clean, corrupt, (1, 2), experiments)
    assert_close(effects, torch.tensor([0, 0, 1, 0, 0], dtype=torch.float64))


def test_the_logit_difference_is_taken_after_the_last_position():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (3, 5))
    logits = model(tokens)[:, -1]
    assert_close(logit_difference(model, tokens, (3, 4)), logits[:, 3] - logits[:, 4])


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (Patch("pattern", 0), "site must be one of resid_pre, .* got 'pattern'"),
        (Patch("mlp_out", 2), "layer 2 does not exist"),
        (Patch("mlp_out", 0, (3,)), "position 3 does not exist"),
        (Patch("head", 0), "head must be given for site 'head'"),
        (Patch("mlp_out", 0, head=1), "head must be given for site 'head' and for no other, got head=1"),
        (Patch("head", 0, head=6), "head 6 does not exist"),
    ],
)
def test_invalid_patches_are_rejected(patch, message):
    prompts = torch.tensor([1, 2, 3]), torch.tensor([1, 5, 3])
    with pytest.raises(ValueError, match=message):
        activation_patching(randomised(ModelConfig(**SIZES)), *prompts, (1, 2), [[patch]])


def test_prompts_that_cannot_be_compared_are_rejected():
    model = randomised(ModelConfig(**SIZES))
    clean, corrupt = torch.tensor([1, 2, 3]), torch.tensor([1, 5, 3])
    with pytest.raises(ValueError, match="of equal length"):
        activation_patching(model, clean, corrupt[:2], (1, 2), [])
    with pytest.raises(ValueError, match="nothing to restore"):
        activation_patching(model, clean, clean, (1, 2), [])
