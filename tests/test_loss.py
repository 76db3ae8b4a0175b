import math

import pytest
import torch

from llm.loss import next_token_loss, token_losses


def test_the_loss_of_a_model_that_knows_nothing_is_the_logarithm_of_the_vocabulary():
    targets = torch.randint(50, (2, 7))
    assert next_token_loss(torch.zeros(2, 7, 50), targets).item() == pytest.approx(math.log(50))
    certain = torch.nn.functional.one_hot(targets, 50) * 100.0
    assert next_token_loss(certain, targets).item() == pytest.approx(0, abs=1e-6)


def test_each_tokens_loss_is_its_negative_log_probability_and_their_mean_the_loss():
    logits, targets = torch.randn(3, 5, 11, dtype=torch.float64), torch.randint(11, (3, 5))
    losses = token_losses(logits, targets)
    for row in range(3):
        for pos in range(5):
            weights = logits[row, pos].exp()
            assert losses[row, pos].item() == pytest.approx(-math.log(weights[targets[row, pos]] / weights.sum()))
    torch.testing.assert_close(losses.mean(), next_token_loss(logits, targets))
    torch.testing.assert_close(losses[1], token_losses(logits[1], targets[1]))


def test_logits_of_sixteen_bits_lose_nothing_more():
    logits, targets = torch.randn(2, 4, 9).bfloat16(), torch.randint(9, (2, 4))
    assert next_token_loss(logits, targets) == next_token_loss(logits.float(), targets)
    assert token_losses(logits, targets).dtype == torch.float32


def test_loss_and_gradient_of_float64_logits_have_the_precision_of_float64():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 9, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(9, (2, 4))
    assert next_token_loss(logits, targets).dtype == token_losses(logits, targets).dtype == torch.float64
    for loss in (next_token_loss, token_losses):
        assert torch.autograd.gradcheck(lambda logits, loss=loss: loss(logits, targets), logits)
