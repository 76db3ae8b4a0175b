import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from llm.loss import next_token_loss, next_token_loss_in_pieces, token_losses


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


def loss_and_gradients(loss, resid, unembedding, scale=1.0):
    factors = [factor.clone().requires_grad_() for factor in (resid, unembedding)]
    value = loss(*factors) * scale
    value.backward()
    return [value.detach(), *(factor.grad for factor in factors)]


@pytest.mark.parametrize("most_logits", [1, 26, 39, 10**6])  # a position, two, three (of 14), all
@pytest.mark.parametrize("softcap", [None, 1.5])
def test_in_pieces_loss_and_gradients_are_those_of_all_logits(most_logits, softcap):
    def all_logits(resid, matrix):
        logits = resid @ matrix
        return next_token_loss(logits if softcap is None else softcap * torch.tanh(logits / softcap), targets)

    targets = torch.randint(13, (2, 7))
    resid, unembedding = torch.randn(2, 7, 5, dtype=torch.float64), torch.randn(5, 13, dtype=torch.float64)
    pieces = loss_and_gradients(
        lambda resid, matrix: next_token_loss_in_pieces(resid, matrix, targets, most_logits, softcap),
        resid,
        unembedding,
        0.3,
    )
    plain = loss_and_gradients(all_logits, resid, unembedding, 0.3)
    torch.testing.assert_close(pieces, plain, rtol=1e-12, atol=1e-14)


def test_in_pieces_in_sixteen_bits_the_matrix_gets_its_gradient_in_its_own_format():
    targets = torch.randint(200, (2, 16))
    resid, unembedding = torch.randn(2, 16, 32), 0.1 * torch.randn(32, 200)
    with torch.autocast("cpu", torch.bfloat16):
        pieces = loss_and_gradients(
            lambda resid, matrix: next_token_loss_in_pieces(resid, matrix, targets, 2000), resid, unembedding
        )
        plain = loss_and_gradients(lambda resid, matrix: next_token_loss(resid @ matrix, targets), resid, unembedding)
    for ours, wanted in zip(pieces, plain, strict=True):
        assert ours.dtype == wanted.dtype == torch.float32
        assert (ours - wanted).norm() < 0.01 * wanted.norm()


def test_in_pieces_never_are_all_logits_there():
    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            self.numbers = max(
                self.numbers, *(leaf.numel() for leaf in tree_leaves(result) if torch.is_tensor(leaf)), 0
            )
            return result

    resid, unembedding = torch.randn(4, 64, 8, requires_grad=True), torch.randn(8, 500, requires_grad=True)
    with Largest() as largest:
        next_token_loss_in_pieces(resid, unembedding, torch.randint(500, (4, 64)), 10_000).backward()
    assert largest.numbers == 10_000 < 4 * 64 * 500
