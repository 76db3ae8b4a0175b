"""Loss by position, and the in-context learning score."""

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES, two_or_three_configs

from llm.config import ModelConfig
from llm.interpret.loss_by_position import in_context_score, loss_by_position


@two_or_three_configs
def test_losses_by_position_average_to_the_loss(config):
    model = randomised(config)
    inputs, targets = torch.randint(config.d_vocab, (2, 5, 16))
    mean_losses = loss_by_position(model, inputs, targets, batch_size=2)
    losses = torch.nn.functional.cross_entropy(model(inputs).transpose(1, 2), targets, reduction="none")
    torch.testing.assert_close(mean_losses, losses.mean(dim=0))


def test_losses_need_a_target_for_each_input():
    with pytest.raises(ValueError, match=r"inputs \[1, 4\] and targets \[1, 3\]"):
        loss_by_position(
            randomised(ModelConfig(**SIZES)), torch.ones(1, 4, dtype=torch.long), torch.ones(1, 3, dtype=torch.long)
        )


def test_the_in_context_score_is_late_minus_early():
    falling = -torch.arange(100.0)
    assert in_context_score(falling).score == -80  # loss[90] − loss[10]
    assert in_context_score(falling).published is None
    assert in_context_score(-torch.arange(500.0)).published is None
    assert in_context_score(-torch.arange(501.0)).published == -450
    assert in_context_score(torch.zeros(1)).score == 0
