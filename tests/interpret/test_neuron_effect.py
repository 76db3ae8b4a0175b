"""A neuron's direct effect is what its activation changes."""

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES, every_config

from llm.config import ModelConfig
from llm.interpret.neuron_effect import neuron_effect


@every_config
def test_a_neurons_effect_is_the_direct_change_of_the_logits(config):
    """Raising the last layer's neuron by 1, with frozen norm statistics, changes every logit by effect / σ."""
    model = randomised(config)
    result = neuron_effect(model, 1, 7, count=31)
    assert result.raised.shape == (31,)
    effect = torch.empty(31, dtype=torch.float64)
    effect[result.raised] = result.raised_by
    assert torch.equal(result.lowered_by, effect[result.lowered])
    norm = model.final_norm if config.norm_position == "pre" else model.blocks[1].norm_mlp
    vector = torch.randn(24, dtype=torch.float64)
    written = model.blocks[1].mlp.W_out[7]
    centred = config.norm == "layernorm"
    spread = (vector.var(unbiased=False) if centred else vector.square().mean()).add(config.norm_eps).sqrt()
    direction = written - written.mean() if centred else written
    expected = direction / spread * norm.w @ model.unembed.matrix()
    torch.testing.assert_close(effect / spread, expected.detach())


def test_a_neuron_that_does_not_exist_is_rejected():
    with pytest.raises(ValueError, match="neuron 20 does not exist: a layer's neurons are 0 to 19"):
        neuron_effect(randomised(ModelConfig(**SIZES)), 0, 20)
