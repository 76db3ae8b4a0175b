"""The Attention page in a real Chromium: hover, select, sort, export; and a hostile text stays text."""

import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import torch
from app_server import (
    HOSTILE,
    PROMPT,
    TEXT,
    address,
    assert_accessible_and_fitting,
    exported,
    opened_from_disk,
    run_without_questions,
)
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from llm.checkpoints import load_run
from llm.interpret.recording import record

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(server) -> Path:
    return run_without_questions(server, n_ctx=192)


DRAWN = {"heads": "scores", "head": "head", "training": "training"}
LABELS = {"heads": "All heads", "head": "One head", "training": "Through training"}


@pytest.fixture
def page(tab) -> Page:
    """The tab of all tests here."""
    return tab


def open_view(page: Page, server, run: Path, view: str, prompt: str = PROMPT, **query: str) -> None:
    """Load a view and wait until it is drawn."""
    more = "".join(f"&{name}={value}" for name, value in query.items())
    page.goto(f"{server.url}/attention?run={run.name}&view={view}&prompt={quote(prompt)}{more}")
    page.wait_for_selector(f"[data-drawn={DRAWN[view]}]")


def select_view(page: Page, server, run: Path, view: str, prompt: str = PROMPT) -> None:
    """Select a view of the page that is open; if it shows another text, load it with this one."""
    if address(page).get("prompt") == prompt and "/attention" in page.url:
        if address(page)["view"] != view:
            page.get_by_role("radio", name=LABELS[view]).click()
        page.wait_for_selector(f"[data-drawn={DRAWN[view]}]")
        idle(page)
    else:
        open_view(page, server, run, view, prompt)


def idle(page: Page) -> None:
    """Wait until the page's script has run: it may put the strip under the pointer anew."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_timeout(300)


def test_a_head_is_opened_from_the_overview(page, server, run):
    open_view(page, server, run, "heads")
    expect(page.locator(".llm-tiles-tile")).to_have_count(8)
    expect(page.locator(".llm-tiles-group")).to_have_count(4)
    page.locator(".llm-tiles-canvas").nth(5).hover(position={"x": 5, "y": 60})
    expect(page.locator(".llm-tiles-tip")).to_contain_text(re.compile(r"attends to .+: \d\.\d\d"))
    page.locator(".llm-tiles-tile").nth(5).click()
    page.wait_for_selector("[data-drawn=head]")
    assert (address(page)["view"], address(page)["layer"], address(page)["head"]) == ("head", "1", "1")


def point_at(page, token, title, wanted: str) -> None:
    """Move the pointer onto a token, again if the page was redrawn under it, until the page reacts."""
    for _ in range(40):
        page.mouse.move(1, 1)
        token.hover()
        if title.inner_text() == wanted:
            return
        page.wait_for_timeout(250)
    expect(title).to_have_text(wanted)


def test_a_click_selects_a_token_and_another_clears_it(page, server, run):
    select_view(page, server, run, "head")
    tokens, title = page.locator(".llm-strip-token"), page.locator(".llm-head-ranking .llm-head-title").first
    name = tokens.nth(4).inner_text()
    point_at(page, tokens.nth(4), title, f"{name} attends to")
    tokens.nth(4).click()
    expect(page.locator(".llm-head-status")).to_contain_text("Selected")
    page.wait_for_function("() => location.search.includes('locked=4.')")
    idle(page)
    tokens.nth(7).hover()
    expect(title).to_have_text(f"{name} attends to")
    tokens.nth(4).click()
    expect(page.locator(".llm-head-status")).to_contain_text("Click to select it")
    page.wait_for_function("() => !location.search.includes('locked')")
    idle(page)
    point_at(page, tokens.nth(7), title, f"{tokens.nth(7).inner_text()} attends to")


def test_the_text_can_be_navigated_with_the_keyboard(page, server, run):
    select_view(page, server, run, "head")
    page.locator(".llm-strip-token").last.hover()  # from there on
    page.locator(".llm-strip").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    last = page.locator(".llm-strip-token").count() - 1
    page.wait_for_function(f"() => location.search.includes('locked={last - 3}.')")
    page.keyboard.press("Escape")
    page.wait_for_function("() => !location.search.includes('locked')")


def test_a_cells_arithmetic_has_the_models_real_numbers(page, server, run):
    open_view(page, server, run, "head", layer="1", head="3", locked="9.2")
    rows = page.locator(".llm-head-arithmetic tr")
    shown = {row.locator("th").inner_text(): row.locator(".llm-head-number").inner_text() for row in rows.all()}
    loaded = load_run(run)
    recorded = record(loaded.model, torch.tensor([loaded.tokenizer.encode(PROMPT)]))
    query, key = recorded["blocks.1.attention.query"][0, 3, 9], recorded["blocks.1.attention.key"][0, 1, 2]
    number = {name: float(text.replace("−", "-")) for name, text in shown.items()}
    assert number["query · key"] == pytest.approx(float(query @ key), abs=0.002)
    assert number["score"] == pytest.approx(float(recorded["blocks.1.attention.scores"][0, 3, 9, 2]), abs=0.001)
    assert number["content"] + number["+ position"] == pytest.approx(number["score"], abs=0.002)
    assert number["weight"] == pytest.approx(float(recorded["blocks.1.attention.pattern"][0, 3, 9, 2]), abs=0.0001)


def test_the_first_token_can_be_hidden(page, server, run):
    """Without the first token the second can attend only to itself."""
    select_view(page, server, run, "head")
    page.locator(".llm-strip-token").nth(1).click()
    seen = page.locator(".llm-head-ranking").first.locator(".llm-head-line")
    expect(seen).to_have_count(2)
    page.wait_for_url(re.compile(r"locked=1\D"))  # what is pressed earlier sends the address without the selection
    page.get_by_text("Hide the first token").click()
    expect(seen).to_have_count(1)
    expect(seen).to_have_text(re.compile(r"h11\.00$"))
    assert address(page)["rest"] == "1"
    page.get_by_text("Hide the first token").click()
    expect(seen).to_have_count(2)


def test_the_slider_moves_patterns_scores_and_loss(page, server, run):
    select_view(page, server, run, "training")
    where, first = page.locator(".llm-training-step"), page.locator(".llm-tiles-canvas").first
    expect(where).to_contain_text(
        re.compile(r"Step 2 · validation loss \d\.\d{3} on \d+ windows · in-context score −?\d\.\d{3}")
    )
    before, picture = where.inner_text(), first.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("slider", name="Snapshot").press("Home")
    expect(where).to_contain_text("Step 0 · untrained · validation loss")
    assert where.inner_text().partition("loss")[2] != before.partition("loss")[2]
    page.wait_for_function(
        "picture => document.querySelector('.llm-tiles-canvas').toDataURL() !== picture", arg=picture
    )
    page.wait_for_function("() => location.search.includes('step=0')")
    scores = page.locator(".llm-training-charts figure").first
    expect(scores.locator("path")).to_have_count(9)  # 8 heads and the untrained
    page.locator(".llm-tiles-tile").nth(3).click()
    page.wait_for_selector("[data-drawn=head]")
    assert (address(page)["view"], address(page)["head"], address(page)["step"]) == ("head", "3", "0")


def test_heads_are_sorted_by_a_score(page, server, run):
    select_view(page, server, run, "heads")
    page.get_by_role("radio", name="entropy").click()
    page.wait_for_function("() => document.querySelectorAll('.llm-tiles-group').length === 0")
    notes = page.locator(".llm-tiles-note").all_inner_texts()
    entropies = [float(note.removeprefix("entropy ")) for note in notes]
    assert len(entropies) == 8 and entropies == sorted(entropies)
    assert address(page)["order"] == "entropy"
    offline = page.get_by_role("link", name="Page that works offline")
    assert "order=entropy" in offline.get_attribute("href")  # what is exported is what is seen


def test_views_are_accessible_and_fit(page, server, run):
    for view in ("heads", "head", "training"):
        select_view(page, server, run, view)
        assert_accessible_and_fitting(page, view)


def test_tokens_grow_one_by_one(page, server, run):
    select_view(page, server, run, "head")
    before = page.locator(".llm-strip-token").count()
    page.get_by_role("button", name="Append the next token").click()
    expect(page.locator(".llm-strip-token")).to_have_count(before + 1)
    expect(page.locator(".llm-strip-own")).to_have_count(1)


def test_a_long_text_is_seen_through_a_window_that_the_map_moves(page, server, run):
    open_view(page, server, run, "head", prompt=TEXT[:400])
    page.locator(".llm-matrix-map").click(position={"x": 20, "y": 60})
    page.locator(".llm-matrix-marks").hover(position={"x": 110, "y": 300})
    title = page.locator(".llm-head-panel .llm-head-title").first.inner_text()
    query, key = map(int, re.findall(r"\((\d+)\)", title))
    assert key < 60 < query + 60  # the window now begins near the first keys


def likeness(picture: Path, view: Locator) -> float:
    """Correlation of brightness between a picture and the view on the page, in cells of 16 × 16 pixels; 1: the same."""
    seen = Image.open(io.BytesIO(view.screenshot())).convert("L")
    foot = view.locator(".llm-export").bounding_box()["y"] - view.bounding_box()["y"]
    width, height = seen.width // 16, int(foot) // 16
    exported = Image.open(picture).convert("L").reduce(2).crop((16, 44, 16 + 16 * width, 44 + 16 * height))
    cells = [
        np.asarray(one.crop((0, 0, 16 * width, 16 * height)).reduce(16), float).ravel() for one in (seen, exported)
    ]
    return float(np.corrcoef(*cells)[0, 1])


def same_parts(picture: Path, view: Locator) -> None:
    """An SVG has as many lines, bars and pictures as the view, and every text of it."""
    root = ElementTree.parse(picture).getroot()
    for tag, selector in {"path": "svg path", "circle": "svg circle, input", "image": "canvas"}.items():
        assert len(list(root.iter(f"{{http://www.w3.org/2000/svg}}{tag}"))) == view.locator(selector).count(), tag
    texts = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    for name in (".llm-tiles-name", ".llm-tiles-note", ".llm-strip-token", ".llm-head-number", ".llm-training-step"):
        assert set(view.locator(name).all_inner_texts()) <= texts


@pytest.mark.parametrize("view", ["heads", "head", "training"])
def test_a_hostile_text_is_plain_text_in_a_view_and_its_exports(page, server, run, view, tmp_path):
    page.set_viewport_size({"width": 1440, "height": 2000})  # the whole view at once
    select_view(page, server, run, view, prompt=HOSTILE)
    if view == "heads":
        page.locator(".llm-tiles-canvas").first.hover(position={"x": 4, "y": 100})
        expect(page.locator(".llm-tiles-tip")).to_be_visible()
    elif view == "head":
        shown = "".join(page.locator(".llm-strip-token").all_text_contents())
        for part in ("<img", "onerror", "␇", "‹202e›", "‹2066›", "🦊"):
            assert part in shown
        assert not re.search("[\u0000-\u001f\u202a-\u202e\u2066-\u2069]", shown)
        for token in page.locator(".llm-strip-token").all()[::7]:
            token.hover()
        page.mouse.move(1, 1)

    assert likeness(exported(page, "PNG", tmp_path), page.locator(f".llm-attention_{view}")) > 0.85
    same_parts(exported(page, "SVG", tmp_path), page.locator(f".llm-attention_{view}"))
    assert (
        exported(page, "CSV", tmp_path)
        .read_text()
        .startswith({"heads": "layer,head", "head": "query_pos", "training": "step,layer"}[view])
    )
    offline_page = exported(page, "Page that works offline", tmp_path)
    assert offline_page.suffix == ".html"
    with opened_from_disk(page, offline_page) as alone:
        alone.wait_for_selector(f"[data-drawn={DRAWN[view]}]")
        for one in (page, alone):
            assert one.evaluate("window.broken") is None
            assert one.locator(f".llm-attention_{view} img, img[src=x]").count() == 0
        assert alone.locator("img").count() == 0
        if view == "head":
            alone.locator(".llm-strip-token").nth(6).click()
            expect(alone.locator(".llm-head-status")).to_contain_text("Selected")


def test_an_error_of_the_server_is_shown_in_its_place(page, server, run):
    page.route("**/attention/grid*", lambda route: route.fulfill(status=400, body="The weights are <b>gone</b>."))
    page.goto(f"{server.url}/attention?run={run.name}&view=heads&prompt={quote(PROMPT)}")
    expect(page.locator(".llm-tiles-status")).to_have_text("The weights are <b>gone</b>.")
