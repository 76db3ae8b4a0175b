"""Ablating, editing and patching: nothing done changes nothing, everything done changes everything."""

import pytest
import torch
from interpret_models import by_hand, randomised
from model_configs import IMPLEMENTATIONS, SIZES, every_config

from llm.config import ModelConfig
from llm.interpret import (
    Patch,
    ablate,
    ablation_effect,
    edit_pattern,
    effect,
    head_scores,
    logit_difference,
    patch,
    patch_effect,
    record,
)
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
    found = ablation_effect(model, tokens, mean=True, pair=(1, 2))
    assert found.loss == found.altered_loss
    assert found.logit_difference == found.altered_logit_difference


@every_config
def test_ablating_everything_leaves_embeddings_biases_and_norms(config):
    """Without a word from any head or MLP a position knows nothing of the others."""
    model = randomised(config)
    tokens = torch.randint(config.d_vocab, (1, 9))
    changed = tokens.clone()
    changed[:, :5] = (changed[:, :5] + 1) % config.d_vocab
    with ablate(model, heads=EVERY_HEAD, mlps=[0, 1]) as altered:
        torch.testing.assert_close(altered(tokens)[:, 5:], altered(changed)[:, 5:])
    assert not torch.allclose(model(tokens)[:, 5:], model(changed)[:, 5:])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_an_ablated_head_is_a_head_without_output_matrix(implementation):
    model = randomised(ModelConfig(**SIZES), implementation)
    tokens = torch.randint(31, (3, 9))
    with ablate(model, heads=[(1, 4)]) as zeroed, ablate(model, heads=[(1, 4)], scale=0.5) as halved:
        found = [zeroed(tokens), halved(tokens)]
    for logits, scale in zip(found, (0, 0.5), strict=True):
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


def test_an_effect_is_loss_and_logit_difference_of_both_models():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (3, 9))
    found = ablation_effect(model, tokens, mlps=[1], pair=(3, 4))
    with ablate(model, mlps=[1]) as altered:
        for which, loss, difference in (
            (model, found.loss, found.logit_difference),
            (altered, found.altered_loss, found.altered_logit_difference),
        ):
            logits = which(tokens)
            expected = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
            assert loss == pytest.approx(expected.item())
            assert difference == pytest.approx((logits[:, -1, 3] - logits[:, -1, 4]).mean().item())
        assert effect(model, altered, tokens[:, :1]).loss is None
    assert found.loss != found.altered_loss


def test_the_model_itself_is_never_altered_and_an_altered_one_recovers():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (3, 9))
    logits = model(tokens)
    with pytest.raises(ZeroDivisionError), ablate(model, heads=EVERY_HEAD, mlps=[0]) as altered:
        assert torch.equal(model(tokens), logits)
        assert not torch.allclose(altered(tokens), logits)
        1 / 0  # noqa: B018
    assert torch.equal(altered(tokens), logits)
    assert torch.equal(model(tokens), logits)


def test_without_its_previous_token_head_an_induction_head_is_lost():
    model, occurring = by_hand(), torch.arange(20)
    with ablate(model, heads=[(0, 0)]) as altered:
        assert head_scores(altered, occurring, length=8).induction[1, 0] < 0.2
    with ablate(model, heads=[(0, 1)]) as altered:
        assert torch.equal(
            head_scores(altered, occurring, length=8).induction, head_scores(model, occurring, length=8).induction
        )


def test_an_altered_model_generates_with_a_cache():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (1, 9))
    with ablate(model, heads=[(0, 1)], mlps=[1]) as altered, torch.no_grad():
        cache = KeyValueCache(model.config)
        pieces = [altered(tokens[:, position : position + 1], cache) for position in range(9)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), altered(tokens))


@every_config
def test_a_pattern_replaced_by_itself_changes_nothing_and_by_another_something(config):
    model = randomised(config)
    tokens = torch.randint(config.d_vocab, (2, 9))
    pattern = record(model, tokens, ["pattern"])["blocks.0.attention.pattern"]
    with edit_pattern(model, 0, 5, pattern[:, 5]) as altered:
        torch.testing.assert_close(altered(tokens), model(tokens), rtol=1e-9, atol=1e-9)
    given = torch.eye(9)
    with edit_pattern(model, 0, 5, given) as altered:
        given.zero_()  # the caller's tensor stays the caller's
        found = record(altered, tokens, ["pattern"])["blocks.0.attention.pattern"]
        torch.testing.assert_close(found[:, 5], torch.eye(9, dtype=torch.float64).expand(2, 9, 9))
        torch.testing.assert_close(found[:, :5], pattern[:, :5])
        assert not torch.allclose(altered(tokens), model(tokens))
        with pytest.raises(ValueError, match="the edited pattern is for 9 positions, this text has 4"):
            altered(tokens[:, :4])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (torch.ones(3, 3), "looks ahead"),
        (-torch.eye(3), "negative or infinite"),
        (torch.eye(3) * torch.nan, "negative or infinite"),
        (torch.ones(3, 4), r"shape \[3, 4\] does not fit"),
    ],
)
def test_impossible_patterns_are_refused(pattern, message):
    with pytest.raises(ValueError, match=message), edit_pattern(randomised(ModelConfig(**SIZES)), 0, 0, pattern):
        pass


@every_config
def test_patching_everything_is_one_and_nothing_is_zero(config):
    model = randomised(config)
    clean, corrupt = torch.randint(config.d_vocab, (2, 7))
    for layer in range(2):
        assert patch_effect(model, clean, corrupt, (1, 2), [Patch("resid_pre", layer)]) == pytest.approx(1, abs=1e-9)
    assert patch_effect(model, clean, corrupt, (1, 2), []) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("site", ["resid_pre", "attention_out", "mlp_out", "head"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_patch_map_is_every_patch_alone(site, implementation):
    model = randomised(ModelConfig(**SIZES), implementation)
    clean, corrupt = torch.randint(31, (2, 5))
    found = patch(model, clean, corrupt, (1, 2), site, batch_size=7)
    heads = [0, 5] if site == "head" else [None]
    assert found.effect.shape == ((2, 6, 5) if site == "head" else (2, 5))
    for layer in range(2):
        for head in heads:
            for position in range(5):
                alone = patch_effect(model, clean, corrupt, (1, 2), [Patch(site, layer, (position,), head)])
                mapped = found.effect[layer, position] if head is None else found.effect[layer, head, position]
                assert mapped.item() == pytest.approx(alone, abs=1e-9)
    assert found.clean == pytest.approx(logit_difference(model, clean[None], (1, 2)).item())
    assert found.corrupt == pytest.approx(logit_difference(model, corrupt[None], (1, 2)).item())
    assert found.effect.abs().max() > 0.01


def test_patching_every_head_is_patching_attention():
    model = randomised(ModelConfig(**SIZES))
    clean, corrupt = torch.randint(31, (2, 5))
    heads = [Patch("head", 1, None, head) for head in range(6)]
    expected = patch_effect(model, clean, corrupt, (1, 2), [Patch("attention_out", 1)])
    assert patch_effect(model, clean, corrupt, (1, 2), heads) == pytest.approx(expected)


def test_only_the_position_that_differs_matters_before_the_first_layer():
    model = randomised(ModelConfig(**SIZES))
    clean = torch.tensor([3, 1, 4, 1, 5])
    corrupt = torch.tensor([3, 1, 9, 1, 5])
    effects = patch(model, clean, corrupt, (1, 2)).effect[0]
    torch.testing.assert_close(effects, torch.tensor([0, 0, 1, 0, 0], dtype=torch.float64))


def test_impossible_interventions_are_refused():
    model = randomised(ModelConfig(**SIZES))
    clean, corrupt = torch.tensor([1, 2, 3]), torch.tensor([1, 5, 3])
    with pytest.raises(ValueError, match="head 6 does not exist: a layer's heads are 0 to 5"), ablate(model, [(0, 6)]):
        pass
    with pytest.raises(ValueError, match="layer 2 does not exist"), ablate(model, mlps=[2]):
        pass
    with pytest.raises(ValueError, match="as many tokens each"):
        patch(model, clean, corrupt[:2], (1, 2))
    with pytest.raises(ValueError, match="nothing to bring back"):
        patch(model, clean, clean, (1, 2))
    with pytest.raises(ValueError, match="site='pattern' is unknown: choose one of resid_pre"):
        patch(model, clean, corrupt, (1, 2), "pattern")
    with pytest.raises(ValueError, match="position 3 does not exist"):
        patch_effect(model, clean, corrupt, (1, 2), [Patch("mlp_out", 0, (3,))])
    with pytest.raises(ValueError, match="head=None does not fit site='head'"):
        patch_effect(model, clean, corrupt, (1, 2), [Patch("head", 0)])
