"""A text opened again on the page Generate, in a real Chromium, which reruns only a part of the page."""

import re

import pytest
from app_server import PROMPT, address, run_without_questions
from playwright.sync_api import expect

from llm.background.generations import start
from llm.config import SamplingConfig

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_kept_text_is_opened_with_its_step_and_its_address_opens_it_again(page, server):
    path = run_without_questions(server, n_ctx=32)
    first = start(path, 0, PROMPT, SamplingConfig(6, seed=7, top_k=20))
    first.thread.join(60)
    start(path, 2, PROMPT, SamplingConfig(6, seed=7, top_k=5)).thread.join(60)  # the newest
    page.goto(f"{server.url}/generate?run={path.name}&seed=3")
    page.get_by_text("Earlier texts of this run").click()
    page.get_by_role("button", name="Open with its settings").last.click()
    expect(page.get_by_text("The text is shown at the top")).to_be_visible()
    expect(page.locator(".llm-writing-text")).to_have_text(first.text)
    page.wait_for_url(re.compile("written=7"))
    assert address(page)["step"] == "0" and address(page)["top_k"] == "20"
    page.goto(page.url)
    expect(page.locator(".llm-writing-text")).to_have_text(first.text)
    seed = page.get_by_role("spinbutton", name="`seed`")
    expect(seed).to_have_value("7")
    seed.fill("")
    seed.press("Enter")
    page.wait_for_url(re.compile("^(?!.*seed=)"))
    expect(seed).to_have_value("")
