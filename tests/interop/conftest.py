"""Tiny models of every family, made by transformers."""

import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def families():
    sys.path.insert(0, str(PROJECT / "experiments"))
    import families

    yield families
    sys.path.remove(str(PROJECT / "experiments"))
