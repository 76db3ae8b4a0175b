"""How often neighbours are of one kind, in an embedding built by hand."""

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES

from llm.config import ModelConfig
from llm.interpret.neighbour_kinds import neighbour_kinds


def test_neighbours_of_one_kind_are_counted_beside_chance():
    """Five tokens: 0 and 1 point one way, 2 and 3 another; 4 lies beside 3."""
    model = randomised(ModelConfig(**{**SIZES, "d_vocab": 5}))
    angles = torch.tensor([0.0, 0.1, 2.0, 2.2, 2.3])
    with torch.no_grad():
        model.embed.W_E.zero_()[:, :2] = torch.stack([angles.cos(), angles.sin()], dim=1)
    found = neighbour_kinds(model, [0, 0, 1, 1, 0], [0, 2, 4])
    assert found.same == pytest.approx(2 / 3)  # 0 has 1, 2 has 3, and 4 has 3, of another kind
    assert found.chance == pytest.approx((2 / 4 + 1 / 4 + 2 / 4) / 3)


def test_a_vocabulary_of_one_token_has_no_neighbours():
    found = neighbour_kinds(randomised(ModelConfig(**{**SIZES, "d_vocab": 1})), [0], [0])
    assert (found.same, found.chance) == (0, 0)
