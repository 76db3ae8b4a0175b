"""How often each fault is tried: a few times in every test run, many times with `uv run pytest -m soak`."""

import pytest


def times(short: int, soak: int) -> pytest.MarkDecorator:
    """Run a test with a small `count`, and with a large one where the mark `soak` is asked for."""
    many = pytest.param(soak, id="soak", marks=pytest.mark.soak)
    return pytest.mark.parametrize("count", [pytest.param(short, id="short"), many])


KILLS = times(2, 200)  # of each kind of training
RANDOM_FAULTS = times(2, 200)  # of each kind of training
EVERY_NTH_OPERATION = times(80, 1)
EVERY_NTH_OPERATION_OF_A_TOKEN_CACHE = times(24, 1)
MUTATIONS = times(3, 2000)  # of each file
JSON_MUTATIONS = times(8, 2000)
REQUESTS = times(20, 1000)  # to each route
TRAININGS = times(3, 30)
TEXTS = times(4, 100)
POLLERS = times(2, 20)
