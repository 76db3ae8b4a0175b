"""The Inside page in a real Chromium: parts are switched off, prompts patched, vocabulary and neurons browsed."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import quote

import pytest
import torch
from app_server import (
    HENS,
    HOSTILE,
    PROMPT,
    address,
    assert_accessible_and_fitting,
    exported,
    opened_from_disk,
    run_without_questions,
)
from playwright.sync_api import Page, expect

from llm.checkpoints import load_run
from llm.interpret.intervention import Intervention, intervention_effect
from llm.interpret.nearest_tokens import nearest_tokens

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OWN = {"clean": "The hen sat", "corrupt": "The fox sat", "right": " on", "wrong": " under"}
FIRST_COLUMNS = {"intervene": "what,pos", "patching": "layer,pos", "embeddings": "id,token", "neurons": "what,rank"}
VIEWS = list(FIRST_COLUMNS)


@pytest.fixture(scope="module")
def run(server) -> Path:
    return run_without_questions(server, n_ctx=192, text=f"{HOSTILE}\n" + HENS * 100)


@pytest.fixture
def page(tab) -> Page:
    """The tab of all tests here."""
    return tab


def open_view(page: Page, server, run: Path, view: str, prompt: str = PROMPT, **query: str) -> None:
    """Open a view and wait until it is drawn: in the page that is open, if it shows this text."""
    if address(page).get("prompt") == prompt and not query:
        if address(page)["view"] != view:
            page.get_by_role("radio", name=view.capitalize()).click()
    else:
        more = "".join(f"&{name}={quote(value)}" for name, value in (OWN | query).items())
        page.goto(f"{server.url}/inside?run={run.name}&view={view}&prompt={quote(prompt)}{more}")
    wait_for(page, view)


def wait_for(page: Page, view: str) -> None:
    page.wait_for_selector(f".llm-inside_{view}[data-drawn]")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def read(text: str) -> float:
    return float(text.replace("−", "-"))


def test_parts_are_switched_off_and_the_loss_follows(page, server, run):
    open_view(page, server, run, "intervene", scale="0", layer="1", neuron="3")
    loss = page.locator(".llm-change-number").first
    before, after = map(read, loss.inner_text().split(" → "))
    assert before == after
    page.get_by_role("button", name="Layer 1, MLP").click()
    switch = page.get_by_role("button", name="Layer 0, Head 2")
    switch.focus()
    page.keyboard.press("Enter")
    expect(switch).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("() => location.search.includes('off=1.m%2C0.2')")
    expect(page.locator(".llm-part-title").first).to_have_text("head 0.2, MLP 1: output replaced by zero")
    page.wait_for_selector(".llm-change:not(.llm-change-pending)")  # until then it shows what was switched off before
    loaded = load_run(run)
    tokens = torch.tensor([loaded.tokenizer.encode(PROMPT)])
    wanted = intervention_effect(loaded.model, tokens, Intervention(((0, 2),), (1,)))
    assert [read(part) for part in loss.inner_text().split(" → ")] == pytest.approx(
        [float(one.losses.mean()) for one in (wanted.original, wanted.altered)], abs=6e-4
    )
    switch.click()
    expect(page.locator(".llm-part-title").first).to_have_text("MLP 1: output replaced by zero")


def test_patches_are_shown_layer_by_layer_and_a_cell_is_selected(page, server, run):
    open_view(page, server, run, "patching")
    heading, grid = page.locator(".llm-patch-heading"), page.locator(".llm-grid")
    expect(heading).to_contain_text(
        re.compile(r"^Residual stream before layer \d at .+: \d\.\d{3} of the answer restored$")
    )
    grid.focus()
    page.keyboard.press("ArrowDown")
    expect(heading).to_contain_text("before layer 1")
    page.keyboard.press("Enter")
    page.wait_for_function("() => /locked=1\\.\\d/.test(location.search)")
    page.get_by_role("radio", name="Each head").click()
    page.wait_for_function(
        "() => document.querySelector('.llm-patch-heading').textContent.includes('at all positions')"
    )
    assert address(page)["site"] == "head"
    wait_for(page, "patching")
    page.get_by_role("textbox", name="Corrupted text", exact=True).fill("The foxes sat")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The clean text has 12 tokens and the corrupted one 14")).to_be_visible()
    page.get_by_role("textbox", name="Corrupted text", exact=True).fill(OWN["corrupt"])
    page.keyboard.press("Enter")
    wait_for(page, "patching")


def test_a_token_is_found_by_name_and_its_neighbours_are_the_librarys(page, server, run):
    open_view(page, server, run, "embeddings")
    page.get_by_role("searchbox", name="Find a token").fill("h")
    page.locator(".llm-embed-token", has_text=re.compile("^h$")).click()
    loaded = load_run(run)
    token = loaded.tokenizer.encode("h")[0]
    page.wait_for_function(f"() => location.search.includes('chosen={token}')")
    shown = page.locator(".llm-part-line .llm-part-number")
    expect(shown).to_have_count(10)
    wanted = nearest_tokens(loaded.model, token).cosines.tolist()
    assert [read(one) for one in shown.all_inner_texts()] == pytest.approx(wanted, abs=6e-4)
    wait_for(page, "embeddings")
    page.get_by_role("slider", name="Snapshot").press("Home")
    expect(page.locator(".llm-embed-step")).to_contain_text(re.compile(r"Step 0 · untrained · \d+% of the variance"))
    page.wait_for_function("() => location.search.includes('at=0')")
    wait_for(page, "embeddings")
    page.get_by_role("radio", name="3D map").click()
    expect(page.get_by_role("application", name=re.compile("Arrow keys turn it"))).to_be_visible()
    wait_for(page, "embeddings")
    before = page.locator(".llm-cloud-canvas").evaluate("canvas => canvas.toDataURL()")
    page.locator(".llm-cloud-canvas").press("ArrowLeft")
    assert page.locator(".llm-cloud-canvas").evaluate("canvas => canvas.toDataURL()") != before
    page.get_by_role("radio", name="Positions").click()
    expect(page.locator(".llm-positions figcaption")).to_contain_text("Rotary positions")
    expect(page.locator(".llm-positions-plot path")).to_have_count(4)


def test_neurons_are_browsed_with_the_keyboard(page, server, run):
    open_view(page, server, run, "neurons")
    page.wait_for_selector("[data-drawn='1.3']")
    page.get_by_role("button", name="Next ›").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("[data-drawn='1.4']")
    assert address(page)["neuron"] == "4"
    values = [read(one) for one in page.locator(".llm-neuron-value").all_inner_texts()]
    assert len(values) == 10 and values == sorted(values, reverse=True)
    peaks = page.locator(".llm-neuron-peak").evaluate_all("peaks => peaks.map((peak) => peak.title)")
    assert [read(peak) for peak in peaks] == values


def test_views_are_accessible_and_fit(page, server, run):
    for view in VIEWS:
        open_view(page, server, run, view)
        assert_accessible_and_fitting(page, view)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_a_hostile_text_is_exported_as_picture_table_and_page(page, server, run, view, tmp_path):
    if address(page).get("prompt") == HOSTILE:
        open_view(page, server, run, view, prompt=HOSTILE)
    else:
        open_view(page, server, run, view, prompt=HOSTILE, gaze="token", key="5")
    shown = "".join(page.locator(".llm-change-token, .llm-neuron-token, .llm-part-token").all_text_contents())
    for part in ("<img", "onerror", "␇", "‹202e›", "‹2066›", "🦊") if view == "intervene" else ():
        assert part in shown
    assert not re.search("[\u0000-\u001f\u202a-\u202e\u2066-\u2069]", shown)

    assert exported(page, "PNG", tmp_path).read_bytes().startswith(b"\x89PNG")
    assert (
        len(list(ElementTree.parse(exported(page, "SVG", tmp_path)).getroot().iter("{http://www.w3.org/2000/svg}text")))
        > 3
    )
    assert exported(page, "CSV", tmp_path).read_text().startswith(FIRST_COLUMNS[view])
    with opened_from_disk(page, exported(page, "Page that works offline", tmp_path)) as alone:
        alone.wait_for_selector(f".llm-inside_{view}[data-drawn]")
        for tab in (page, alone):
            assert tab.evaluate("window.broken") is None
            assert tab.locator(f".llm-inside_{view} img").count() == 0
