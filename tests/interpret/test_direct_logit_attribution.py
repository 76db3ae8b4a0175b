"""The components' contributions add up to the model's logit difference."""

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES, every_config, every_config_in_some_implementation

from llm.config import ModelConfig
from llm.interpret.ablation import ablate
from llm.interpret.decomposition import Component
from llm.interpret.direct_logit_attribution import direct_logit_attribution


@every_config_in_some_implementation
def test_attributions_sum_to_the_logit_difference(config, implementation):
    model = randomised(config, implementation)
    tokens = torch.randint(config.d_vocab, (3, 9))
    logits, capped = model(tokens), {}
    for position in (4, -1):
        capped[position] = direct_logit_attribution(model, tokens, (5, 11), position)
    model.unembed.final_softcap = None  # what the parts sum to is before the cap
    uncapped = model(tokens)
    for position, attribution in capped.items():
        output = logits[:, position, 5] - logits[:, position, 11]
        torch.testing.assert_close(attribution.output_difference, output, rtol=1e-10, atol=1e-10)
        expected = uncapped[:, position, 5] - uncapped[:, position, 11]
        torch.testing.assert_close(attribution.logit_difference, expected, rtol=1e-10, atol=1e-10)
        scale = attribution.values.abs().sum(dim=0)
        assert ((attribution.values.sum(dim=0) - expected).abs() <= 1e-10 * scale).all()
        assert (scale > 0.01).all()


@every_config
def test_every_component_is_attributed_once(config):
    attribution = direct_logit_attribution(randomised(config), torch.randint(config.d_vocab, (1, 5)), (0, 1))
    components = attribution.components
    two = config.norm_position == "post" and config.sublayers == "sequential" and config.norm == "layernorm"
    assert len(set(components)) == len(components) - two * config.bias * config.n_layers  # norm biases of a layer
    assert [part for part in components if part.kind == "head"] == [
        Component("head", layer, head) for layer in range(2) for head in range(6)
    ]
    assert (Component("position") in components) == (config.positional in ("learned", "sinusoidal"))
    for part in (Component("mlp", 0), Component("mlp", 1), Component("token")):
        assert components.count(part) == 1


def test_ablated_components_contribute_nothing():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (2, 9))
    with ablate(model, heads=[(0, 3)], mlps=[1]) as altered:
        attribution = direct_logit_attribution(altered, tokens, (1, 2))
    values = dict(zip(attribution.components, attribution.values, strict=True))
    assert not values[Component("head", 0, 3)].any()
    assert not values[Component("mlp", 1)].any()
    assert values[Component("head", 0, 4)].all()
    torch.testing.assert_close(attribution.values.sum(dim=0), attribution.logit_difference)


def test_an_rmsnorm_is_not_centred():
    """Adding a constant to every coordinate of a component's output matters to RMSNorm, not to LayerNorm."""
    for norm, matters in (("rmsnorm", True), ("layernorm", False)):
        model = randomised(ModelConfig(**SIZES, norm=norm))
        tokens = torch.randint(31, (2, 9))
        before = direct_logit_attribution(model, tokens, (1, 2)).values
        with torch.no_grad():
            model.blocks[1].mlp.b_out += 3
        after = direct_logit_attribution(model, tokens, (1, 2)).values
        assert torch.allclose(before, after) != matters


def test_invalid_tokens_and_positions_are_rejected():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (2, 9))
    with pytest.raises(ValueError, match="token 31 is not in the vocabulary"):
        direct_logit_attribution(model, tokens, (31, 0))
    with pytest.raises(ValueError, match="position 9 does not exist: this text's positions are 0 to 8"):
        direct_logit_attribution(model, tokens, (1, 0), position=9)
