"""Composition scores agree with the full matrix products, and find the pair of a circuit built by hand."""

import pytest
import torch
from interpret_models import induction_model, randomised
from model_configs import every_config

from llm.interpret.composition import composition, composition_ratio, random_composition


@torch.no_grad()
def ratio(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first @ second).norm() / (first.norm() * second.norm()))


@every_config
def test_scores_are_the_norms_of_the_full_products(config):
    model = randomised(config)
    first, second = (block.attention for block in model.blocks)
    result = composition(model, 0, 1)
    assert result.key.shape == (config.n_heads, config.n_heads)
    group = config.n_heads // config.n_kv_heads
    for a, b in ((0, 0), (1, config.n_heads - 1), (config.n_heads - 1, 2)):
        written = first.W_V[a // group].T @ first.W_O[a]
        matched = second.W_Q[b].T @ second.W_K[b // group]
        moved = second.W_V[b // group].T @ second.W_O[b]
        for scores, read in ((result.query, matched), (result.key, matched.T), (result.value, moved)):
            assert float(scores[a, b]) == pytest.approx(ratio(written, read), rel=1e-4)


def test_the_pair_built_by_hand_composes_through_keys_alone():
    result = composition(induction_model(), 0, 1)
    # ‖W_OV‖² = 20 (one for each token), ‖W_QK‖² = 20 · 100² that match tokens + 20 · 100² that avoid position 0, and
    # the earlier head writes only what the first half reads: √(20 · 100²) / √(20 · 40 · 100²)
    assert float(result.key[0, 0]) == pytest.approx(40**-0.5)
    assert float(result.query[0, 0]) == float(result.value[0, 0]) == 0
    assert float(result.key[0, 1]) == float(result.key[1, 0]) == 0  # heads of zeros


def test_ratios_of_known_matrices():
    same = torch.eye(2, 6)[None]  # W = a projection onto two directions: ‖W W‖ = √2, ‖W‖² = 2
    other = torch.eye(6)[2:4][None]
    assert float(composition_ratio(same, same, same, same)) == pytest.approx(2**-0.5)
    assert float(composition_ratio(same, same, other, other)) == 0


def test_the_random_mean_is_that_of_full_random_products_and_the_untrained_model_is_near_it():
    torch.manual_seed(0)
    products = [
        [torch.randn(3, 24, dtype=torch.float64).T @ torch.randn(3, 24, dtype=torch.float64) for _ in range(2)]
        for _ in range(400)
    ]
    mean = sum(ratio(*pair) for pair in products) / len(products)
    assert random_composition(24, 3) == pytest.approx(mean, rel=0.05)


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 0), (0, 2), (-1, 1)])
def test_layers_that_cannot_compose_are_refused(first, second):
    with pytest.raises(ValueError, match="layer"):
        composition(induction_model(), first, second)
