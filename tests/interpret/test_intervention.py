"""Interventions as a page makes them: the measured effects equal those of the altered model."""

import pytest
import torch
from interpret_models import induction_model, randomised
from model_configs import every_config, two_or_three_configs
from torch.testing import assert_close

from llm.interpret.ablation import ablate
from llm.interpret.attention_override import AttentionOverride
from llm.interpret.intervention import (
    Intervention,
    ablation_effects,
    greedy_continuation,
    intervene,
    intervention_effect,
    predict_text,
)

TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


@two_or_three_configs
def test_an_effect_holds_the_predictions_of_both_models(config):
    model = randomised(config)
    effect = intervention_effect(model, TOKENS, Intervention(((0, 1), (1, 0)), (1,), scale=0.5, mean=True), TOKENS)
    with ablate(model, [(0, 1), (1, 0)], [1], 0.5, TOKENS) as altered:
        for which, prediction in ((model, effect.original), (altered, effect.altered)):
            logits = which(TOKENS)[0]
            assert_close(prediction.logits, logits[-1])
            losses = torch.nn.functional.cross_entropy(logits[:-1], TOKENS[0, 1:], reduction="none")
            assert_close(prediction.losses, losses)
    assert not torch.allclose(effect.original.losses, effect.altered.losses)


@every_config
def test_ablation_effects_equal_separate_ablations(config):
    model = randomised(config)
    effects = ablation_effects(model, TOKENS)
    assert effects.shape == (config.n_layers, config.n_heads + 1)
    for index, part in (((1, 0), Intervention(heads=((1, 0),))), ((0, -1), Intervention(mlps=(0,)))):
        separate = intervention_effect(model, TOKENS, part)
        difference = separate.altered.losses.mean() - separate.original.losses.mean()
        assert float(effects[index]) == pytest.approx(float(difference), abs=1e-6)


@every_config
def test_an_override_and_an_ablation_are_both_applied(config):
    """A head that is switched off writes nothing, so overriding its attention as well changes nothing."""
    model, ablated_heads = randomised(config), ((1, 1),)
    ablated = intervention_effect(model, TOKENS, Intervention(heads=ablated_heads)).altered.logits
    same, other = (
        intervention_effect(model, TOKENS, Intervention(ablated_heads, override=AttentionOverride(1, head, "first")))
        for head in (1, 0)
    )
    assert_close(same.altered.logits, ablated)
    assert not torch.equal(other.altered.logits, ablated)


@two_or_three_configs
def test_a_greedy_continuation_takes_the_most_likely_token_and_ends_with_the_context(config):
    model, change = randomised(config), Intervention(mlps=(1,))
    start = TOKENS[0].tolist()
    written = greedy_continuation(model, start, 4, change)
    assert len(written) == 4
    with intervene(model, change) as altered:
        for index, token in enumerate(written):
            assert token == int(altered(torch.tensor([start + written[:index]]))[0, -1].argmax())
    assert len(greedy_continuation(model, start, 1000)) == config.n_ctx - len(start)


def test_a_text_of_one_token_has_no_loss():
    model = induction_model()
    assert len(predict_text(model, torch.tensor([[3]])).losses) == 0
    with pytest.raises(ValueError, match="one token"):
        ablation_effects(model, torch.tensor([[3]]))


def test_mean_ablation_needs_a_text():
    with pytest.raises(ValueError, match="mean ablation needs mean_over"):
        intervention_effect(induction_model(), TOKENS, Intervention(mlps=(0,), mean=True))
