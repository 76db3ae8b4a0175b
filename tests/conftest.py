"""What holds for every test."""

import pytest
import torch
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # how long an example takes depends on what else runs
settings.load_profile("untimed")
torch.set_num_threads(1)  # tensors are so small here that a second thread costs more than it brings


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """The same random numbers in every test, whichever runs first."""
    torch.manual_seed(0)
