"""A finished training, and processes that train together, for the tests of a file."""

import pytest
from several_processes import ForkedProcesses
from tiny_training import start


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    trainer = start(tmp_path_factory.mktemp("finished"))
    return trainer, list(trainer)


@pytest.fixture(scope="module")
def forked():
    processes = ForkedProcesses(4)
    yield processes
    processes.end()
