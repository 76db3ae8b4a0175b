"""What holds for every test."""

import os
import signal
import sys

import jaxtyping
import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

settings.register_profile("untimed", deadline=None)  # how long an example takes depends on what else runs
settings.load_profile("untimed")

# Each test that starts a process waits for its imports, and to compile torch's sources takes two seconds each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Tensors are so small here that a second thread costs more than it brings, in this process and in those it starts.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell's background jobs ignore Ctrl-C, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class TwoServersScheduling(LoadFileScheduling):
    """Each file in one process, and the browser's files in two: each has a server and a Chromium for all its files.

    In one process they would take longer than everything else together, and each other process would wait for them.
    """

    def _split_scope(self, nodeid: str) -> str:
        if not nodeid.startswith("tests/browser/"):
            return super()._split_scope(nodeid)
        return "tests/browser, a to e" if nodeid < "tests/browser/test_f" else "tests/browser, f to z"


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> TwoServersScheduling:
    return TwoServersScheduling(config, log)


# Where every config goes through every layer, with and without a cache, the annotated shapes are checked in each call.
# Elsewhere the same calls would be checked again, which takes a quarter of the time of a small training.
SHAPES_CHECKED = ("tests/layers/", "tests/sampling/", "tests/test_model.py")


def pytest_runtest_setup(item: pytest.Item) -> None:
    jaxtyping.config.update("jaxtyping_disable", not item.nodeid.startswith(SHAPES_CHECKED))


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """The same random numbers in every test, whichever runs first."""
    import torch  # here: the process that only hands out tests need not wait for it

    torch.manual_seed(0)
