"""How often nearest neighbours are of the same kind, in an embedding built by hand."""

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES

from llm.config import ModelConfig
from llm.interpret.neighbour_kinds import neighbour_kinds


def test_neighbours_of_the_same_kind_are_compared_with_chance():
    """Five tokens: 0 and 1 point in one direction, 2 and 3 in another; 4 is next to 3."""
    model = randomised(ModelConfig(**{**SIZES, "d_vocab": 5}))
    angles = torch.tensor([0.0, 0.1, 2.0, 2.2, 2.3])
    with torch.no_grad():
        model.embed.W_E.zero_()[:, :2] = torch.stack([angles.cos(), angles.sin()], dim=1)
    kinds = neighbour_kinds(model, [0, 0, 1, 1, 0], [0, 2, 4])
    assert kinds.same == pytest.approx(2 / 3)  # nearest: 1 to 0, 3 to 2, and 3 to 4, of another kind
    assert kinds.chance == pytest.approx((2 / 4 + 1 / 4 + 2 / 4) / 3)


def test_a_vocabulary_of_one_token_has_no_neighbours():
    kinds = neighbour_kinds(randomised(ModelConfig(**{**SIZES, "d_vocab": 1})), [0], [0])
    assert (kinds.same, kinds.chance) == (0, 0)
