"""Everything that these tests write is in a temporary folder."""

import pytest
from app_pages import PROJECT, SOON

from llm.background import trainings


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder of runs and uploads, empty; training that a test leaves behind is stopped."""
    monkeypatch.setenv("LLM_HOME", str(tmp_path))
    monkeypatch.chdir(PROJECT)
    yield tmp_path
    trainings.stop_all(SOON)
