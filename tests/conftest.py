"""What holds for every test."""

import os
import signal
import sys

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

settings.register_profile("untimed", deadline=None)  # how long an example takes depends on what else runs
settings.load_profile("untimed")

# Each test that starts a process waits for its imports, and to compile torch's sources takes two seconds each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell's background jobs ignore Ctrl-C, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class OneServerScheduling(LoadFileScheduling):
    """Each file in one process, and all files of the browser in the same: they share a server and a Chromium."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/browser" if nodeid.startswith("tests/browser/") else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> OneServerScheduling:
    return OneServerScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tensors are so small here that a second thread costs more than it brings."""
    import torch  # here and below: the process that only hands out tests need not wait for it

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """The same random numbers in every test, whichever runs first."""
    import torch

    torch.manual_seed(0)
