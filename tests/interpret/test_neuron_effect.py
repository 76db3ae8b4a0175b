"""A neuron's direct effect is what its activation changes."""

import pytest
import torch
from interpret_models import randomised
from model_configs import PRESETS, SIZES, component_configs, config_name

from llm.config import ModelConfig
from llm.interpret.neuron_effect import neuron_effect


@pytest.mark.parametrize("config", component_configs(n_experts=0) + PRESETS, ids=config_name)
def test_a_neurons_effect_is_the_direct_change_of_the_logits(config):
    """Raising the last layer's neuron by 1, with frozen norm statistics, changes every logit by effect / σ … σ."""
    model = randomised(config)
    result = neuron_effect(model, 1, 7, count=31)
    assert result.raised.shape == (31,)
    effect = torch.empty(31, dtype=torch.float64)
    effect[result.raised] = result.raised_by
    assert torch.equal(result.lowered_by, effect[result.lowered])
    last = model.blocks[1]
    norms = [last.norm_mlp_out] * (config.norm_position in ("post_sublayer", "sandwich"))
    norms.append(last.norm_mlp if config.norm_position == "post" else model.final_norm)
    vector = torch.randn(24, dtype=torch.float64)
    written, spreads = last.mlp.W_out[7], 1.0
    centred = config.norm != "rmsnorm"
    for norm in norms:
        spread = (vector.var(unbiased=False) if centred else vector.square().mean()).add(config.norm_eps).sqrt()
        written = (written - written.mean() if centred else written) / spread
        written = norm.times_gamma(written)
        spreads = spreads * spread
    torch.testing.assert_close(effect / spreads, (written @ model.unembed.matrix()).detach())


def test_a_neuron_that_does_not_exist_is_rejected():
    with pytest.raises(ValueError, match="neuron 20 does not exist: a layer's neurons are 0 to 19"):
        neuron_effect(randomised(ModelConfig(**SIZES)), 0, 20)
