"""Copied pieces are what a text repeats and the token before does not give away; their loss is split off exactly."""

import pytest
import torch
from interpret_models import induction_model, randomised
from model_configs import two_or_three_configs

from llm.interpret.copied_pieces import copied_pieces, copying_loss
from llm.loss import token_losses

# 5 is followed by 6 almost always; 1 by every token about equally often
TRAIN = torch.tensor([5, 6] * 40 + [token for other in range(2, 20) for token in (1, other)] * 3)


def test_copied_pieces_are_repeated_and_not_given_away_by_the_token_before():
    text = torch.tensor([[1, 9, 4, 5, 6, 3, 1, 9, 5, 6, 1, 7, 1, 7]])
    pieces = copied_pieces(text[:, :-1], text[:, 1:], TRAIN, 20)
    # 1 → 9 at 6 repeats that at 0. 5 → 6 is repeated too, but is always so; 1 → 7 at 12 is too near the one at 10
    assert (pieces.row.tolist(), pieces.query.tolist(), pieces.earlier.tolist()) == ([0], [6], [0])
    assert 0 < float(pieces.bigram[0]) < 0.1
    assert pieces.mask((1, 13)).nonzero().tolist() == [[0, 6]]


def test_a_text_without_repetition_has_none():
    text = torch.arange(10)[None]
    assert len(copied_pieces(text[:, :-1], text[:, 1:], TRAIN, 20).query) == 0


@two_or_three_configs
def test_the_loss_is_split_between_copied_pieces_and_the_rest(config):
    model = randomised(config)
    inputs, targets = torch.randint(31, (2, 5, 12)).unbind()
    copied = torch.rand(5, 12) < 0.3
    result = copying_loss(model, inputs, targets, copied, batch_size=2)
    losses, logits = token_losses(model(inputs), targets).detach(), model(inputs)
    assert result.copied == pytest.approx(float(losses[copied].mean()))
    assert result.rest == pytest.approx(float(losses[~copied].mean()))
    assert result.accuracy == pytest.approx(float((logits.argmax(-1) == targets)[copied].double().mean()))


def test_the_hand_built_model_copies_and_knows_nothing_else():
    model, once = induction_model(), torch.randperm(20)[:8]
    text = torch.cat([once, once])[None]
    inputs, targets = text[:, :-1], text[:, 1:]
    pieces = copied_pieces(inputs, targets, TRAIN, 20)
    result = copying_loss(model, inputs, targets, pieces.mask(inputs.shape))
    assert result.accuracy == 1
    assert result.copied < 0.05 < 1 < result.rest


def test_shapes_must_agree():
    text = torch.zeros(1, 4, dtype=torch.long)
    with pytest.raises(ValueError, match=r"copied \[1, 3\] must have the same shape"):
        copying_loss(induction_model(), text, text, torch.zeros(1, 3, dtype=torch.bool))
