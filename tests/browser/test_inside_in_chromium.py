"""The Inside page in a real Chromium: lens, attribution and residual stream are shown, selected and exported."""

import contextlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

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
from playwright.sync_api import Page, expect

from llm.checkpoints import load_run
from llm.interpret.logit_lens import logit_lens

pytestmark = [pytest.mark.browser, pytest.mark.slow]

VIEWS = {"lens": "Logit lens", "attribution": "Attribution", "residual": "Residual stream"}
FIRST_COLUMNS = {"lens": "row,pos,token", "attribution": "component,layer", "residual": "figure,row"}


@pytest.fixture(scope="module")
def run(server) -> Path:
    return run_without_questions(server, n_ctx=512)


@pytest.fixture
def page(tab) -> Page:
    """The tab of all tests here."""
    return tab


def open_view(page: Page, server, run: Path, view: str, prompt: str = PROMPT, **query: str) -> None:
    """Open a view and wait until it is drawn: in the page that is open, if it shows this text."""
    if address(page).get("prompt") == prompt and not query:
        select_view(page, view)
    else:
        more = "".join(f"&{name}={value}" for name, value in query.items())
        page.goto(f"{server.url}/inside?run={run.name}&view={view}&prompt={quote(prompt)}{more}")
        wait_for(page, view)


def wait_for(page: Page, view: str) -> None:
    page.wait_for_selector(f".llm-inside_{view}[data-drawn={view}]")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def select_view(page: Page, view: str) -> None:
    """Select a view of the page that is open."""
    if address(page)["view"] != view:
        page.get_by_role("radio", name=VIEWS[view]).click()
    wait_for(page, view)


def cell(page: Page, view: str, row: int, position: int) -> dict[str, float]:
    """Where the middle of a cell is on the view's canvas, once the window shows it."""
    page.locator(".llm-grid-cells").scroll_into_view_if_needed()
    return page.evaluate(
        """([view, row, position]) => {
          const { grid } = document.querySelector(`.llm-inside_${view}`).llmView;
          grid.reveal(position);
          const [x, y] = grid.corner(row, position);
          return { x: x + grid.cell / 2, y: y + grid.size.height / 2 };
        }""",
        [view, row, position],
    )


def test_a_hover_shows_the_five_most_likely_tokens_and_a_click_selects_them(page, server, run):
    open_view(page, server, run, "lens")
    loaded = load_run(run)
    wanted = logit_lens(loaded.model, torch.tensor([loaded.tokenizer.encode(PROMPT)]))
    cells, heading, lines = (
        page.locator(".llm-grid-cells"),
        page.locator(".llm-lens-heading"),
        page.locator(".llm-part-line"),
    )
    cells.hover(position=cell(page, "lens", 1, 7))
    expect(heading).to_have_text("After layer 0, at “·” (7)")
    expect(lines).to_have_count(5)
    shown = [loaded.tokenizer.token_text(token).replace(" ", "·").replace("\n", "↵")
             for token in wanted.top_tokens[1, 0, 7].tolist()]  # fmt: skip
    assert page.locator(".llm-part-token").all_inner_texts() == shown
    expect(page.locator(".llm-part-note").first).to_contain_text(f"“s”, rank {int(wanted.true_rank[1, 0, 7])}, ")
    cells.click(position=cell(page, "lens", 1, 7))
    page.wait_for_function("() => location.search.includes('locked=1.7')")
    wait_for(page, "lens")
    cells.hover(position=cell(page, "lens", 2, 9))
    expect(heading).to_contain_text("(7)")
    page.locator(".llm-grid").focus()
    page.keyboard.press("Escape")
    page.wait_for_function("() => !location.search.includes('locked')")
    wait_for(page, "lens")
    page.locator(".llm-grid").focus()
    page.keyboard.press("ArrowDown")
    expect(heading).to_have_text("After layer 1, the model's output, at “·” (7)")
    page.get_by_role("radio", name="Rank of the true next").click()
    expect(page.locator(".llm-grid-legend").last).to_contain_text("on a logarithmic scale")
    assert address(page)["colour"] == "rank"


def test_bars_sum_to_the_models_own_difference_for_any_pair(page, server, run):
    open_view(page, server, run, "attribution", position="6")  # a link to a position
    model, ids = load_run(run).model, load_run(run).tokenizer.encode(PROMPT)
    logits = model(torch.tensor([ids])).detach()[0]

    def read(text: str) -> float:
        return float(text.replace("−", "-"))

    def check(position: int, token: int, against: int) -> None:
        difference = float(logits[position, token] - logits[position, against])
        page.wait_for_function(  # the pair before stays until the new one's numbers are here
            """wanted => Math.abs(Number(document.querySelector(".llm-attribution-sum").textContent
                .match(/[+−]\\d+\\.\\d{4}/)[0].replace("−", "-")) - wanted) < 2e-4""",
            arg=difference,
        )
        said = page.locator(".llm-attribution-sum").inner_text()
        for number in re.findall(r"[+−]\d+\.\d{4}", said):
            assert read(number) == pytest.approx(difference, abs=2e-4)
        bars = page.locator(".llm-attribution-columns > :first-child .llm-part-number").all_inner_texts()
        assert len(bars) == 11  # embedding, two layers of four heads and an MLP each
        assert sum(map(read, bars)) == pytest.approx(difference, abs=0.01)

    likeliest = [token for token in logits[6].argsort(descending=True).tolist() if token != ids[7]]
    check(6, ids[7], likeliest[0])
    page.locator(".llm-text-token").nth(9).click()
    page.wait_for_function("() => location.search.includes('position=9')")
    wait_for(page, "attribution")
    box = page.get_by_role("combobox", name="Rather than")
    box.fill("x")
    box.press("Enter")
    other = load_run(run).tokenizer.encode("x")[0]
    page.wait_for_function(f"() => location.search.includes('against={other}')")
    wait_for(page, "attribution")
    check(9, ids[10], other)


def test_views_are_accessible_and_fit(page, server, run):
    open_view(page, server, run, "lens")
    for view in VIEWS:
        select_view(page, view)
        assert_accessible_and_fitting(page, view)


def test_a_hostile_text_is_plain_text_in_every_view_and_its_export(page, server, run, tmp_path):
    open_view(page, server, run, "lens", prompt=HOSTILE)
    for view in VIEWS:
        select_view(page, view)
        root = page.locator(f".llm-inside_{view}")
        if view != "attribution":
            page.locator(".llm-grid-cells").click(position=cell(page, view, 1, HOSTILE.index("\u202e")))
            page.wait_for_function("() => location.search.includes('locked')")
            wait_for(page, view)
        expect(root).to_contain_text("‹202e›")
        shown = root.inner_text()
        assert not re.search("[\u0000-\u0009\u000b-\u001f\u202a-\u202e\u2066-\u2069]", shown)
        with exports(page, view, tmp_path) as alone:
            for one in (page, alone):
                assert one.evaluate("window.broken") is None
                assert one.locator(f".llm-inside_{view} img, img[src=x]").count() == 0
        if view == "attribution":
            text = "".join(page.locator(".llm-text-token").all_text_contents())
            for part in ("<img", "onerror", "␇", "‹202e›", "‹2066›", "🦊"):
                assert part in text


@contextlib.contextmanager
def exports(page: Page, view: str, folder: Path) -> Iterator[Page]:
    """Picture, table and page of a view; the page, opened from the disk, draws the same."""
    assert ElementTree.parse(exported(page, "SVG", folder)).getroot().tag.endswith("svg")
    assert exported(page, "PNG", folder).read_bytes().startswith(b"\x89PNG")
    assert exported(page, "CSV", folder).read_text().startswith(FIRST_COLUMNS[view])
    with opened_from_disk(page, exported(page, "Page that works offline", folder)) as alone:
        alone.wait_for_selector(f".llm-inside_{view}[data-drawn={view}]")
        for selector in (
            ".llm-text-token", ".llm-part-token", ".llm-part-number", ".llm-part-title", ".llm-grid-legend",
        ):  # fmt: skip
            assert alone.locator(selector).all_inner_texts() == page.locator(selector).all_inner_texts()
        yield alone


def test_a_long_text_is_seen_through_a_window(page, server, run):
    open_view(page, server, run, "residual", prompt=TEXT[200:712])
    page.locator(".llm-grid-map").click(position={"x": 6, "y": 8})
    page.locator(".llm-grid-cells").click(position=cell(page, "residual", 1, 3))
    page.wait_for_function("() => location.search.includes('locked=3')")
    expect(page.locator(".llm-part-title").first).to_contain_text("(3)")
    select_view(page, "lens")
    assert page.evaluate("document.querySelector('.llm-inside_lens').llmView.grid.shown") < 20


def test_an_error_of_the_server_is_shown_in_its_place(page, server, run):
    page.route("**/inside/lens?*", lambda route: route.fulfill(status=400, body="The weights are <b>gone</b>."))
    page.goto(f"{server.url}/inside?run={run.name}&view=lens&prompt={quote(PROMPT)}")
    expect(page.locator(".llm-part-bad")).to_have_text("The weights are <b>gone</b>.")
