"""Memory and communication on many devices, beside published figures."""

import pytest

from benchmarks.scale import SHAPES
from llm.config import TrainingConfig
from llm.costs import parameter_count
from llm.costs.scale import SHARDED, ZERO_PAPER, device_cost, model_states

ZERO = {"nothing": 120, "optimizer": 31.4, "gradients": 16.6, "weights": 1.9}  # GB: arXiv:1910.02054, figure 1
PARAMETERS = {"1 B": 1_100_048_384, "7 B": 6_738_415_616, "70 B": 68_976_648_192}  # of the published weights


@pytest.mark.parametrize("sharded", SHARDED)
def test_memory_of_a_device_is_that_of_the_zero_paper(sharded):
    found = model_states(7_500_000_000, 64, sharded, ZERO_PAPER)
    assert found.kept / 1e9 == pytest.approx(ZERO[sharded], abs=0.05)


def test_communication_is_that_of_the_zero_paper():
    """Section 7: 2 Ψ numbers without sharding, or with gradients sharded, and 3 Ψ, half more, with weights sharded."""
    sent = {sharded: model_states(1000, 10**6, sharded, ZERO_PAPER).sent / 2 / 1000 for sharded in SHARDED}
    assert sent == pytest.approx({"nothing": 2, "optimizer": 2, "gradients": 2, "weights": 3}, rel=1e-5)
    assert model_states(1000, 1, "nothing", ZERO_PAPER).sent == 0


def test_the_shapes_have_the_published_numbers_of_parameters():
    assert {name: parameter_count(config).total for name, config in SHAPES.items()} == PARAMETERS


def test_activations_are_those_of_a_devices_own_windows_and_checkpointing_saves_most_of_them():
    def cost(devices, **fields):
        return device_cost(SHAPES["7 B"], TrainingConfig(batch_size=8, **fields), devices, "weights")

    # the loss is computed in pieces: each device has the gradient of its whole unembedding
    matrix = 4 * SHAPES["7 B"].d_model * SHAPES["7 B"].d_vocab
    eighth, quarter = cost(8).activations - matrix, cost(4).activations - matrix
    assert eighth == pytest.approx(quarter / 2, rel=0.01)  # tables are shared
    assert cost(8, gradient_checkpointing=True).activations < cost(8).activations / 5
    with pytest.raises(ValueError, match="divisible by the 3 devices, got 8"):
        cost(3)
