"""Interventions as a page makes them: what is measured is what ablation and edited patterns give."""

import pytest
import torch
from interpret_models import by_hand, randomised
from model_configs import every_config
from torch.testing import assert_close

from llm.interpret import ablate, effect, record
from llm.interpret.intervening import Edit, Intervention, each_alone, edited_pattern, likeliest, react

TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


@every_config
def test_a_reaction_is_the_effect_of_an_ablation(config):
    model = randomised(config)
    change = Intervention(heads=((0, 1), (1, 0)), mlps=(1,), scale=0.5, mean=True)
    with change.ablate(model, TOKENS) as altered:
        wanted = effect(model, altered, TOKENS, (3, 4))
        found = react(altered, TOKENS)
    assert float(found.losses.mean()) == pytest.approx(wanted.altered_loss)
    assert float(found.logits[3] - found.logits[4]) == pytest.approx(wanted.altered_logit_difference)
    assert float(react(model, TOKENS).losses.mean()) == pytest.approx(wanted.loss)


@every_config
def test_every_part_alone_is_its_own_ablation(config):
    model = randomised(config)
    found = torch.tensor(list(each_alone(model, TOKENS))).reshape(config.n_layers, config.n_heads + 1)
    with ablate(model, heads=[(1, 0)]) as altered:
        wanted = effect(model, altered, TOKENS)
    assert float(found[1, 0]) == pytest.approx(wanted.altered_loss - wanted.loss, abs=1e-6)
    with ablate(model, mlps=[0]) as altered:
        wanted = effect(model, altered, TOKENS)
    assert float(found[0, -1]) == pytest.approx(wanted.altered_loss - wanted.loss, abs=1e-6)


@pytest.mark.parametrize("to", ["itself", "previous", "first", "evenly", "token"])
def test_an_edited_pattern_shares_out_all_attention_and_none_ahead(to):
    pattern = torch.rand(6, 6).tril()
    changed = edited_pattern(pattern, Edit(0, 0, to, key=2))
    assert not changed.triu(1).any()
    untouched = 2 if to == "token" else 0  # queries that cannot see the key
    assert_close(changed[:untouched], pattern[:untouched])
    assert_close(changed[untouched:].sum(dim=-1), torch.ones(6 - untouched))
    aims = {"itself": [4, 4], "previous": [4, 3], "first": [4, 0], "token": [4, 2]}
    if to in aims:
        assert changed[*aims[to]] == 1
    one = edited_pattern(pattern, Edit(0, 0, to, query=4, key=2))
    assert_close(one[4], changed[4])
    assert_close(one[[0, 1, 2, 3, 5]], pattern[[0, 1, 2, 3, 5]])


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit(0, 0, "token", query=2, key=3), "position 2 cannot look at position 3"),
        (Edit(0, 0, "first", query=6), "query=6 does not exist"),
        (Edit(0, 0, "token", key=6), "key=6 does not exist"),
        (Edit(0, 0, "sideways"), "to='sideways' is unknown"),
    ],
)
def test_an_impossible_edit_is_refused_in_a_sentence(edit, said):
    with pytest.raises(ValueError, match=said):
        edited_pattern(torch.ones(6, 6).tril(), edit)


def test_the_induction_head_fails_without_its_aim():
    """By hand: layer 1, head 0 finds what followed the token last time, thanks to layer 0, head 0."""
    model = by_hand()
    tokens = torch.tensor([[7, 8, 9, 7]])
    assert int(react(model, tokens).logits.argmax()) == 8
    assert int(react(model, tokens, Edit(0, 0, "itself")).logits.argmax()) != 8
    assert int(react(model, tokens, Edit(0, 0, "previous")).logits.argmax()) == 8
    assert int(react(model, tokens, Edit(1, 0, "token", query=3, key=2)).logits.argmax()) == 9


@every_config
def test_an_edit_and_an_ablation_together_are_both_made(config):
    """An edited head that is also switched off writes nothing, so its edit changes nothing."""
    model = randomised(config)
    with Intervention(heads=((1, 1),)).ablate(model) as altered:
        assert_close(react(altered, TOKENS, Edit(1, 1, "first")).logits, react(altered, TOKENS).logits)
        assert not torch.equal(react(altered, TOKENS, Edit(1, 0, "first")).logits, react(altered, TOKENS).logits)


@every_config
def test_the_likeliest_continuation_ends_with_the_context(config):
    model = randomised(config)
    start = TOKENS[0].tolist()
    written = list(likeliest(model, start, 4))
    for index, token in enumerate(written):
        read = torch.tensor([start + written[:index]])
        assert token == int(record(model, read, ["logits"])["logits"][0, -1].argmax())
    assert len(written) == 4
    assert len(list(likeliest(model, start, 1000))) == config.n_ctx - len(start)


def test_a_text_of_one_token_has_no_loss():
    with pytest.raises(ValueError, match="one token"):
        next(each_alone(by_hand(), torch.tensor([[3]])))
