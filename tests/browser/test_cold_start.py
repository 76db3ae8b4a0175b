"""The first request of a cold server may be a deep link."""

import re

import pytest
from app_server import HENS, Server, finished_run
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_cold_deep_link_shows_its_page_with_the_whole_navigation(server: Server, page):
    run = finished_run(server, HENS * 60, d_model=8, n_heads=1, n_ctx=16)
    if not server.cold:
        server.stop()
        server.start()
    page.goto(f"{server.url}/generate?run={run.name}")
    expect(page.get_by_role("heading", name="Generate", exact=True)).to_be_visible(timeout=90_000)
    for link in ("Home", "Train", "Generate", "Tokenizer"):
        expect(page.get_by_role("link", name=link, exact=True)).to_be_visible()
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("hens.txt"), timeout=90_000)
    assert f"run={run.name}" in page.url
