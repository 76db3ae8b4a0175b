"""Cosine similarities of position vectors, and scores by distance, follow from their formulas."""

import pytest
import torch
from interpret_models import randomised
from model_configs import IMPLEMENTATIONS, SIZES

from llm.config import ModelConfig
from llm.interpret.positions import distance_curves, position_cosines
from llm.layers.position import REGISTRY as POSITIONS


@pytest.mark.parametrize("positional", ["learned", "sinusoidal"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_position_vectors_have_cosines(positional, implementation):
    model = randomised(ModelConfig(**SIZES, positional=positional), implementation)
    cosines = position_cosines(model)
    assert cosines.shape == (16, 16)
    torch.testing.assert_close(cosines.diagonal(), torch.ones(16, dtype=torch.float64))
    if positional == "sinusoidal":  # P[p] · P[q] = Σ_i cos((p − q) ω_i), and |P|² = d_model / 2
        frequencies = 10000 ** (-torch.arange(0, 24, 2, dtype=torch.float64) / 24)
        torch.testing.assert_close(cosines[3, 8], (5 * frequencies).cos().mean())
    with pytest.raises(
        ValueError,
        match=f"positional must be one of rope, alibi, relative for scores to depend on distance, got '{positional}'",
    ):
        distance_curves(model)


def test_rotary_curves_are_dot_products_of_rotated_vectors():
    config = ModelConfig(**SIZES, positional="rope")
    rotated = POSITIONS["rope"].classes("einops")(config)(
        torch.eye(8, dtype=torch.float64)[None, :, None].expand(1, 8, 16, 8)
    )
    curves = distance_curves(randomised(config))
    assert curves.shape == (4, 16)
    for pair in range(4):
        by_distance = rotated[0, pair] @ rotated[0, pair, 0]
        torch.testing.assert_close(curves[pair], by_distance)
    with pytest.raises(
        ValueError, match="positional must be one of learned, sinusoidal to have position vectors, got 'rope'"
    ):
        position_cosines(randomised(config))


def test_alibi_curves_are_the_bias_added_to_the_scores():
    config = ModelConfig(**SIZES, positional="alibi")
    bias = POSITIONS["alibi"].classes("einops")(config)(16, 16)
    torch.testing.assert_close(distance_curves(randomised(config)), bias[:, -1].flip(-1).double())


def test_learned_curves_are_those_of_each_layer_in_turn():
    model = randomised(ModelConfig(**SIZES, positional="relative"))
    biases = [block.attention.score_bias(16, 16)[:, -1].flip(-1) for block in model.blocks]
    torch.testing.assert_close(distance_curves(model), torch.cat(biases))
