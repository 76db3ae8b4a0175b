"""Interventions as a page makes them: what is measured is what the altered model computes."""

import pytest
import torch
from interpret_models import by_hand, randomised
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
def test_an_effect_is_what_both_models_predict(config):
    model = randomised(config)
    found = intervention_effect(model, TOKENS, Intervention(((0, 1), (1, 0)), (1,), scale=0.5, mean=True), TOKENS)
    with ablate(model, [(0, 1), (1, 0)], [1], 0.5, TOKENS) as altered:
        for which, prediction in ((model, found.original), (altered, found.altered)):
            logits = which(TOKENS)[0]
            assert_close(prediction.logits, logits[-1])
            losses = torch.nn.functional.cross_entropy(logits[:-1], TOKENS[0, 1:], reduction="none")
            assert_close(prediction.losses, losses)
    assert not torch.allclose(found.original.losses, found.altered.losses)


@every_config
def test_every_part_alone_is_its_own_ablation(config):
    model = randomised(config)
    found = ablation_effects(model, TOKENS)
    assert found.shape == (config.n_layers, config.n_heads + 1)
    for index, part in (((1, 0), Intervention(heads=((1, 0),))), ((0, -1), Intervention(mlps=(0,)))):
        wanted = intervention_effect(model, TOKENS, part)
        difference = wanted.altered.losses.mean() - wanted.original.losses.mean()
        assert float(found[index]) == pytest.approx(float(difference), abs=1e-6)


@every_config
def test_an_override_and_an_ablation_together_are_both_made(config):
    """A head that is switched off writes nothing, so overriding its attention as well changes nothing."""
    model, off = randomised(config), ((1, 1),)
    ablated = intervention_effect(model, TOKENS, Intervention(heads=off)).altered.logits
    same, other = (
        intervention_effect(model, TOKENS, Intervention(off, override=AttentionOverride(1, head, "first")))
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
    model = by_hand()
    assert len(predict_text(model, torch.tensor([[3]])).losses) == 0
    with pytest.raises(ValueError, match="one token"):
        ablation_effects(model, torch.tensor([[3]]))


def test_mean_ablation_needs_a_text():
    with pytest.raises(ValueError, match="mean ablation needs mean_over"):
        intervention_effect(by_hand(), TOKENS, Intervention(mlps=(0,), mean=True))
