"""What layers and components say about the next token adds up to what the model says."""

import pytest
import torch
from interpret_models import randomised
from model_configs import IMPLEMENTATIONS, SIZES, every_config

from llm.config import ModelConfig
from llm.interpret import ablate, attribution, decompose, lens, lens_logits, record, residual_stream


@every_config
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_the_last_lens_row_is_the_model(config, implementation):
    model = randomised(config, implementation)
    tokens = torch.randint(config.d_vocab, (2, 9))
    logits = model(tokens).detach()
    last = record(model, tokens, ["resid_post"])[f"blocks.{config.n_layers - 1}.resid_post"]
    assert torch.equal(lens_logits(model, last), logits)
    found = lens(model, tokens, top=3)
    assert found.top_tokens.shape == (config.n_layers + 1, 2, 9, 3)
    assert torch.equal(found.top_tokens[-1], logits.topk(3).indices)
    truth = logits[:, :-1].softmax(dim=-1).gather(2, tokens[:, 1:, None])[..., 0]
    assert torch.equal(found.true_probability[-1], truth)
    order = logits[:, :-1].argsort(dim=-1, descending=True)
    assert torch.equal(order.gather(2, found.true_rank[-1][..., None] - 1)[..., 0], tokens[:, 1:])


def test_lens_rows_are_the_embedding_and_each_layer():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (2, 9))
    kept, found = record(model, tokens), lens(model, tokens)
    for row, name in enumerate(("embedding", "blocks.0.resid_post", "blocks.1.resid_post")):
        expected = model.unembed(model.final_norm(kept[name])).softmax(dim=-1).topk(5)
        assert torch.equal(found.top_tokens[row], expected.indices)


def test_a_lens_shows_at_most_the_vocabulary():
    model = randomised(ModelConfig(**{**SIZES, "d_vocab": 3}))
    assert lens(model, torch.tensor([[0, 1, 2]]), top=5).top_tokens.shape == (3, 1, 3, 3)
    assert lens(model, torch.tensor([[0]])).true_rank.shape == (3, 1, 0)
    with pytest.raises(ValueError, match="top=0 is not possible"):
        lens(model, torch.tensor([[0, 1, 2]]), top=0)


@every_config
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_attributions_sum_to_the_logit_difference(config, implementation):
    model = randomised(config, implementation)
    tokens = torch.randint(config.d_vocab, (3, 9))
    logits = model(tokens)
    for position in (4, -1):
        found = attribution(model, tokens, (5, 11), position)
        expected = logits[:, position, 5] - logits[:, position, 11]
        torch.testing.assert_close(found.logit_difference, expected, rtol=1e-10, atol=1e-10)
        scale = found.values.abs().sum(dim=0)
        assert ((found.values.sum(dim=0) - expected).abs() <= 1e-10 * scale).all()
        assert (scale > 0.01).all()


@every_config
def test_every_component_is_attributed_once(config):
    found = attribution(randomised(config), torch.randint(config.d_vocab, (1, 5)), (0, 1))
    labels = [component.label for component in found.components]
    assert len(set(labels)) == len(labels) - (config.norm_position == "post" and config.norm == "layernorm") * (
        config.bias * config.n_layers
    )  # two norm biases a layer there
    assert [label for label in labels if label.startswith("head")] == [
        f"head {layer}.{head}" for layer in range(2) for head in range(6)
    ]
    assert ("position" in labels) == (config.positional in ("learned", "sinusoidal"))
    assert labels.count("mlp 0") == labels.count("mlp 1") == labels.count("token") == 1


def test_a_head_without_output_pushes_nothing():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (2, 9))
    with ablate(model, heads=[(0, 3)], mlps=[1]) as altered:
        found = attribution(altered, tokens, (1, 2))
    values = dict(zip([component.label for component in found.components], found.values, strict=True))
    assert not values["head 0.3"].any()
    assert not values["mlp 1"].any()
    assert values["head 0.4"].all()
    torch.testing.assert_close(found.values.sum(dim=0), found.logit_difference)


def test_an_rmsnorm_is_not_centred():
    """Adding a constant to every coordinate of a component's output matters to RMSNorm, not to LayerNorm."""
    for norm, matters in (("rmsnorm", True), ("layernorm", False)):
        model = randomised(ModelConfig(**SIZES, norm=norm))
        tokens = torch.randint(31, (2, 9))
        before = attribution(model, tokens, (1, 2)).values
        with torch.no_grad():
            model.blocks[1].mlp.b_out += 3
        after = attribution(model, tokens, (1, 2)).values
        assert torch.allclose(before, after) != matters


@every_config
def test_shares_of_the_residual_stream_sum_to_one(config):
    model = randomised(config)
    tokens = torch.randint(config.d_vocab, (2, 9))
    found, kept = residual_stream(model, tokens), record(model, tokens)
    torch.testing.assert_close(found.share.sum(dim=0), torch.ones(2, 9, dtype=torch.float64))
    torch.testing.assert_close(found.size[0], kept["embedding"].square().sum(dim=-1).sqrt())
    torch.testing.assert_close(found.size[-1], kept["blocks.1.resid_post"].square().sum(dim=-1).sqrt())
    _, parts = decompose(model, tokens, heads=False, final_norm=False)
    torch.testing.assert_close(parts.sum(dim=0), kept["blocks.1.resid_post"])


def test_impossible_questions_are_refused():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (2, 9))
    with pytest.raises(ValueError, match="token 31 is not in the vocabulary"):
        attribution(model, tokens, (31, 0))
    with pytest.raises(ValueError, match="position 9 does not exist: this text's positions are 0 to 8"):
        attribution(model, tokens, (1, 0), position=9)
