"""Ablation: ablating nothing changes nothing, ablating everything leaves no path between positions."""

import pytest
import torch
from interpret_models import induction_model, randomised
from model_configs import IMPLEMENTATIONS, SIZES, every_config

from llm.config import ModelConfig
from llm.interpret.ablation import ablate
from llm.interpret.head_scores import head_scores
from llm.interpret.intervention import (
    Intervention,
    intervention_effect,
)
from llm.interpret.recording import record
from llm.layers.cache import KeyValueCache

EVERY_HEAD = [(layer, head) for layer in range(2) for head in range(6)]


@every_config
def test_ablating_nothing_changes_nothing(config):
    model = randomised(config)
    tokens = torch.randint(config.d_vocab, (3, 9))
    logits = model(tokens)
    for options in ({}, {"heads": EVERY_HEAD, "mlps": [0, 1], "scale": 1.0}):
        with ablate(model, **options) as altered:
            torch.testing.assert_close(altered(tokens), logits, rtol=0, atol=1e-12)
    effect = intervention_effect(model, tokens[:1], Intervention(mean=True), tokens)
    assert torch.equal(effect.original.losses, effect.altered.losses)
    assert torch.equal(effect.original.logits, effect.altered.logits)


@every_config
def test_ablating_everything_leaves_embeddings_biases_and_norms(config):
    """Without heads and MLPs no information moves between positions."""
    model = randomised(config)
    tokens = torch.randint(config.d_vocab, (1, 9))
    changed = tokens.clone()
    changed[:, :5] = (changed[:, :5] + 1) % config.d_vocab
    with ablate(model, heads=EVERY_HEAD, mlps=[0, 1]) as altered:
        torch.testing.assert_close(altered(tokens)[:, 5:], altered(changed)[:, 5:])
    assert not torch.allclose(model(tokens)[:, 5:], model(changed)[:, 5:])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_ablating_a_head_equals_scaling_its_output_matrix(implementation):
    model = randomised(ModelConfig(**SIZES), implementation)
    tokens = torch.randint(31, (3, 9))
    with ablate(model, heads=[(1, 4)]) as zeroed, ablate(model, heads=[(1, 4)], scale=0.5) as halved:
        results = [zeroed(tokens), halved(tokens)]
    for logits, scale in zip(results, (0, 0.5), strict=True):
        expected = randomised(model.config, implementation)
        expected.load_state_dict(model.state_dict())
        with torch.no_grad():
            expected.blocks[1].attention.W_O[4] *= scale
        torch.testing.assert_close(logits, expected(tokens))
        assert not torch.allclose(logits, model(tokens))


def test_mean_ablation_writes_the_mean_over_the_batch():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (3, 9))
    before = record(model, tokens)
    with ablate(model, heads=[(0, 2)], mlps=[0], mean_over=tokens) as altered:
        after = record(altered, tokens)
    name = "blocks.0.attention.head_output"
    mean = before[name][:, :, 2].mean(dim=(0, 1))
    torch.testing.assert_close(after[name][:, :, 2], mean.expand(3, 9, -1))
    torch.testing.assert_close(after[name][:, :, 3], before[name][:, :, 3])
    before_mlp = record(model, tokens)["blocks.0.mlp_out"].mean(dim=(0, 1))
    torch.testing.assert_close(after["blocks.0.mlp_out"], before_mlp.expand(3, 9, -1))


def test_the_original_is_never_altered_and_the_copy_recovers():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (3, 9))
    logits = model(tokens)
    with pytest.raises(ZeroDivisionError), ablate(model, heads=EVERY_HEAD, mlps=[0]) as altered:
        assert torch.equal(model(tokens), logits)
        assert not torch.allclose(altered(tokens), logits)
        1 / 0  # noqa: B018
    assert torch.equal(altered(tokens), logits)
    assert torch.equal(model(tokens), logits)


def test_an_induction_head_fails_when_its_previous_token_head_is_ablated():
    model, token_ids = induction_model(), torch.arange(20)
    with ablate(model, heads=[(0, 0)]) as altered:
        assert head_scores(altered, token_ids).induction[1, 0] < 0.2
    with ablate(model, heads=[(0, 1)]) as altered:
        assert torch.equal(head_scores(altered, token_ids).induction, head_scores(model, token_ids).induction)


def test_an_altered_model_generates_with_a_cache():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (1, 9))
    with ablate(model, heads=[(0, 1)], mlps=[1]) as altered, torch.no_grad():
        cache = KeyValueCache(model.config)
        pieces = [altered(tokens[:, position : position + 1], cache) for position in range(9)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), altered(tokens))


def test_parts_that_do_not_exist_are_named():
    model = randomised(ModelConfig(**SIZES))
    with pytest.raises(ValueError, match="head 6 does not exist: a layer's heads are 0 to 5"), ablate(model, [(0, 6)]):
        pass
    with pytest.raises(ValueError, match="layer 2 does not exist"), ablate(model, mlps=[2]):
        pass
