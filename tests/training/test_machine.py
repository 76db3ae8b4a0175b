"""Whether there is memory for a training, of one process or several."""

import re

import pytest

from llm.config import TrainingConfig
from llm.costs import parameter_count
from llm.presets import preset
from llm.runtime.processes import Processes
from llm.training.machine import require_memory

TOO_LARGE = preset("llama", d_vocab=1000, d_model=2**16, n_layers=8, n_heads=8, n_ctx=8)  # half a million billion bytes


class Two(Processes):
    count = here = 2


def needed(processes, **settings):
    training = TrainingConfig(batch_size=2, device="cpu", precision="float32", optimizer="adamw", **settings)
    with pytest.raises(ValueError, match="this machine has") as error:
        require_memory(TOO_LARGE, training, "fused", processes, "")
    return float(re.search(r"about ([\d,.]+) GB", str(error.value))[1].replace(",", ""))


def test_two_sharded_processes_need_one_model_and_the_first_one_a_gathered_copy():
    numbers = parameter_count(TOO_LARGE).total / 1e9  # in float32: 4 bytes each for weights, gradients, two means
    assert needed(Processes()) == pytest.approx((16 + 8) * numbers, rel=0.02)  # and the largest file
    assert needed(Two()) == pytest.approx((2 * 16 + 8) * numbers, rel=0.02)
    assert needed(Two(), sharding="full") == pytest.approx((16 + 12 + 8) * numbers, rel=0.02)
    assert needed(Processes(), sharding="full") == needed(Processes())
