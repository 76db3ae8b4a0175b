"""A folder with one text for each test of the command line, and a finished run."""

import os
from pathlib import Path

import pytest
from command_line import ENGLISH, train


@pytest.fixture(autouse=True)
def in_a_new_folder(tmp_path_factory, monkeypatch):
    """Where neither training.txt nor checkpoints/ is found by chance."""
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    Path("foxes.txt").write_text(ENGLISH)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A finished run, to be copied before it is harmed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "foxes.txt").write_text(ENGLISH)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return folder / train(tokenizer="sentencepiece")
    finally:
        os.chdir(before)
