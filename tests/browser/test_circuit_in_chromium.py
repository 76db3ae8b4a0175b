"""The Circuit page in a real Chromium: the learner's walk from a guess to the step at which the parts appeared."""

import random
from pathlib import Path
from urllib.parse import quote

import pytest
from app_server import (
    HOSTILE,
    address,
    assert_accessible_and_fitting,
    exported,
    finished_run,
    never_ask,
    opened_from_disk,
)
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LETTERS = random.Random(0)
NAMES = ["".join(LETTERS.sample("abcdefghijklmnopqrstuvwxyz", 6)) for _ in range(200)]
TEXT = f"{HOSTILE}\n\n" + "\n\n".join(f"One day {name} sang. Then {name} left." for name in NAMES)
DRAWN = ".llm-circuit[data-drawn=circuit]"


@pytest.fixture(scope="module")
def run(server) -> Path:
    return finished_run(server, TEXT, d_model=32, n_heads=4, n_kv_heads=2, n_ctx=128)


def wait_for(page: Page) -> None:
    page.wait_for_selector(DRAWN)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def test_a_learner_guesses_reads_breaks_and_goes_back_in_training(page, server, run, tmp_path):
    page.goto(f"{server.url}/circuit?run={run.name}")
    page.get_by_role("button", name="The piece that it now reads there").click()
    wait_for(page)
    headings = page.locator(".llm-circuit-heading").all_inner_texts()
    assert [heading.split("\n")[-1] for heading in headings] == [
        "Where the two heads look", "What the copying head looks for, and what it writes",
        "Does the copying head read what the other one writes?",
        "Which heads raise the logit of the right piece?", "Now break it", "When did it appear?",
    ]  # fmt: skip
    expect(page.locator(".llm-circuit-warning")).to_contain_text("No head copies")  # after two steps
    expect(page.locator(".llm-circuit-outcome")).to_contain_text("You expected: the piece that it now reads there")
    assert page.locator(".llm-circuit-row").count() == 9
    button = page.get_by_role("button", name="Previous-token head, from the piece")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    before = address(page)
    page.get_by_role("slider", name="Snapshot").press("Home")  # released at once: the whole page moves to step 0
    page.wait_for_function("() => location.search.includes('step=0')")
    wait_for(page)
    assert {name: address(page)[name] for name in ("example", "previous", "copying")} == {
        name: before[name] for name in ("example", "previous", "copying")
    }
    expect(page.locator(".llm-circuit-caption")).to_contain_text("Step 0")
    with opened_from_disk(page, exported(page, "Page that works offline", tmp_path)) as alone:
        alone.wait_for_selector(DRAWN)
        for selector in (".llm-circuit-heading", ".llm-circuit-grid td", ".llm-circuit-value", ".llm-part-number"):
            assert alone.locator(selector).all_inner_texts() == page.locator(selector).all_inner_texts()


def test_a_hostile_text_is_plain_text_and_the_page_is_accessible_and_fits(page, server, run):
    never_ask(server)
    page.goto(f"{server.url}/circuit?run={run.name}&example=own&prompt={quote(HOSTILE + ' and ' + HOSTILE[:12])}")
    wait_for(page)
    assert page.evaluate("window.broken") is None
    assert page.locator(".llm-circuit img").count() == 0
    expect(page.locator(".llm-circuit-story")).to_contain_text("‹202e›")
    assert_accessible_and_fitting(page, "circuit")
