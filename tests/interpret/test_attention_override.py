"""An overridden pattern is still a valid pattern, and only the selected rows change."""

import pytest
import torch
from interpret_models import induction_model, randomised
from model_configs import SIZES, every_causal_config
from torch.testing import assert_close

from llm.config import ModelConfig
from llm.interpret.attention_override import AttentionOverride, overridden_pattern, override_attention
from llm.interpret.intervention import predict_text
from llm.interpret.recording import record

LATER = ~torch.ones(6, 6, dtype=torch.bool).tril()


@pytest.mark.parametrize("target", ["itself", "previous", "first", "evenly", "token"])
def test_an_overridden_pattern_sums_to_one_and_never_attends_ahead(target):
    pattern = torch.rand(6, 6).tril()
    changed = overridden_pattern(pattern, AttentionOverride(0, 0, target, key=2), LATER)
    assert not changed.triu(1).any()
    untouched = 2 if target == "token" else 0  # queries that cannot attend to the key
    assert_close(changed[:untouched], pattern[:untouched])
    assert_close(changed[untouched:].sum(dim=-1), torch.ones(6 - untouched))
    expected = {"itself": [4, 4], "previous": [4, 3], "first": [4, 0], "token": [4, 2]}
    if target in expected:
        assert changed[*expected[target]] == 1
    one_row = overridden_pattern(pattern, AttentionOverride(0, 0, target, query=4, key=2), LATER)
    assert_close(one_row[4], changed[4])
    assert_close(one_row[[0, 1, 2, 3, 5]], pattern[[0, 1, 2, 3, 5]])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (AttentionOverride(0, 0, "token", query=2, key=3), "position 2 cannot attend to position 3"),
        (AttentionOverride(0, 0, "first", query=6), "query=6 does not exist"),
        (AttentionOverride(0, 0, "token", key=6), "key=6 does not exist"),
        (AttentionOverride(0, 0, "sideways"), "target must be one of itself, .* got 'sideways'"),
    ],
)
def test_an_invalid_override_is_rejected(override, message):
    with pytest.raises(ValueError, match=message):
        overridden_pattern(torch.ones(6, 6).tril(), override, LATER)


@every_causal_config
def test_an_override_changes_the_pattern_of_one_head_and_what_follows(config):
    model = randomised(config)
    tokens = torch.randint(config.d_vocab, (2, 9))
    pattern = record(model, tokens, ["pattern"])["blocks.0.attention.pattern"]
    with override_attention(model, AttentionOverride(0, 5, "itself")) as altered:
        overridden = record(altered, tokens, ["pattern"])["blocks.0.attention.pattern"]
        assert_close(overridden[:, 5], torch.eye(9, dtype=torch.float64).expand(2, 9, 9))
        assert_close(overridden[:, :5], pattern[:, :5])
        assert not torch.allclose(altered(tokens), model(tokens))
        assert_close(altered(tokens[:, :4]), altered(tokens)[:, :4])  # whatever the length of the text
    assert_close(altered(tokens), model(tokens), rtol=1e-9, atol=1e-9)  # the block has ended


@every_causal_config
def test_an_override_that_matches_the_pattern_changes_nothing(config):
    """The first query can attend only to itself."""
    model = randomised(config)
    tokens = torch.randint(config.d_vocab, (2, 9))
    with override_attention(model, AttentionOverride(0, 5, "itself", query=0)) as altered:
        assert_close(altered(tokens), model(tokens), rtol=1e-9, atol=1e-9)


def test_the_induction_head_fails_without_its_previous_token_head():
    """Layer 1, head 0 finds what followed the token last time, thanks to layer 0, head 0."""
    model = induction_model()
    tokens = torch.tensor([[7, 8, 9, 7]])

    def predicted(*override):
        with override_attention(model, AttentionOverride(*override)) as altered:
            return int(predict_text(altered, tokens).logits.argmax())

    assert int(predict_text(model, tokens).logits.argmax()) == 8
    assert predicted(0, 0, "itself") != 8
    assert predicted(0, 0, "previous") == 8
    assert predicted(1, 0, "token", 3, 2) == 9


@pytest.mark.parametrize("head", [(0, 6), (2, 0)])
def test_a_head_that_does_not_exist_is_named(head):
    with (
        pytest.raises(ValueError, match=r"(head 6|layer 2) does not exist"),
        override_attention(randomised(ModelConfig(**SIZES)), AttentionOverride(*head, "first")),
    ):
        pass
