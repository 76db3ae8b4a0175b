"""A finished training for the tests of a file."""

import pytest
from tiny_training import start


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    trainer = start(tmp_path_factory.mktemp("finished"))
    return trainer, list(trainer)
