"""The first request of a cold server may be a deep link."""

import re

import pytest
from app_server import Server
from playwright.sync_api import expect

from llm.config import TrainingConfig
from llm.presets import preset
from llm.training.setup import start_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEXT = "The hen sat on the gate.\nThe fox sat under it and waited.\n\n" * 60


def test_a_cold_deep_link_shows_its_page_with_the_whole_navigation(server: Server, page):
    config = preset("gpt", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=16)
    training = TrainingConfig(steps=2, batch_size=2, eval_every=2, eval_windows=2, sample_tokens=4, device="cpu")
    trainer = start_run(config, training, "char", TEXT, "hens.txt", server.home / "checkpoints", architecture="gpt")
    for _ in trainer:
        pass
    server.stop()
    server.start()
    page.goto(f"{server.url}/generate?run={trainer.folder.id}")
    expect(page.get_by_role("heading", name="Generate", exact=True)).to_be_visible(timeout=90_000)
    for link in ("Home", "Train", "Generate", "Tokenizer"):
        expect(page.get_by_role("link", name=link, exact=True)).to_be_visible()
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("hens.txt"), timeout=90_000)
    assert f"run={trainer.folder.id}" in page.url
