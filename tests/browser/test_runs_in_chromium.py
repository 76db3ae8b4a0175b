"""A person's way with several runs: find one, open it, name it, look at it elsewhere, copy it, delete it, undo that."""

import re

import pytest
from app_server import HENS, address, assert_accessible_and_fitting, finished_run
from playwright.sync_api import Page, expect

from llm.checkpoints import RunFolder, deleted_runs, list_runs
from llm.training.branching import NewBranch

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROW, HEAD = 35, 35  # pixels


def click_row(page: Page, index: int) -> None:
    """Click the name of a run in the table, which the browser draws as one picture."""
    table = page.get_by_test_id("stDataFrame").locator(".dvn-scroller")
    table.click(position={"x": 285, "y": HEAD + ROW * (index + 0.5)})  # beside the name


def tick_row(page: Page, index: int) -> None:
    """Tick a run in the table."""
    table = page.get_by_test_id("stDataFrame").locator(".dvn-scroller")
    table.click(position={"x": 18, "y": HEAD + ROW * (index + 0.5)})


def test_a_run_is_found_named_opened_elsewhere_copied_deleted_and_restored(page: Page, server):
    older, newer = (finished_run(server, HENS * 40, d_model=width, n_heads=2, n_ctx=32) for width in (16, 32))
    page.goto(f"{server.url}/runs")
    expect(page.get_by_text("2 of 2 runs")).to_be_visible()
    click_row(page, 1)
    expect(page.get_by_role("textbox", name="Name")).to_be_visible()
    assert address(page)["run"] == older.name
    chosen = page.get_by_role("combobox", name=re.compile("Open a run"))
    chosen.click()
    page.get_by_role("option").first.click()
    expect(page).to_have_url(re.compile(f"run={newer.name}"))
    click_row(page, 1)  # the name that was clicked last
    expect(page).to_have_url(re.compile(f"run={older.name}"))
    # the address changes before the form does
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.get_by_role("textbox", name="Name").fill("The <b>narrow</b> one")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    expect(chosen).to_have_value(re.compile(r"^The <b>narrow</b> one · llama"))
    page.get_by_role("textbox", name="Search").fill("narrow")
    page.get_by_role("textbox", name="Search").press("Enter")
    expect(page.get_by_text("1 of 2 runs")).to_be_visible()
    page.get_by_role("textbox", name="Search").fill("")
    page.get_by_role("textbox", name="Search").press("Enter")
    expect(page.get_by_text("2 of 2 runs")).to_be_visible()
    click_row(page, 0)
    expect(page.get_by_role("textbox", name="Name")).to_have_value("")
    assert address(page)["run"] == newer.name

    page.get_by_test_id("stMain").get_by_role("link", name="Generate").click()
    page.get_by_role("textbox", name="Prompt").wait_for()
    assert address(page)["run"] == newer.name
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page.get_by_text("2 of 2 runs")).to_be_visible()
    click_row(page, 0)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"(run {newer.name}) is deleted.")).to_be_visible()
    assert [run.id for run in list_runs(older.parent)] == [older.name]
    page.reload()
    page.get_by_text("Deleted runs: 1").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("2 of 2 runs")).to_be_visible()
    assert deleted_runs(older.parent) == [] and RunFolder(newer).config().model.d_model == 32

    page.get_by_role("button", name="Duplicate settings").click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    page.get_by_text("All model settings").click()
    expect(page.get_by_role("spinbutton", name="`d_model`")).to_have_value("32")
    assert (server.home / "uploads" / "hens.txt").read_text() == HENS * 40


def test_branches_are_followed_in_the_tree_and_ticked_runs_are_compared(page: Page, server):
    parent = finished_run(server, HENS * 40, d_model=16, n_heads=2, n_ctx=32)
    branch = NewBranch(parent, 1, {"learning_rate": 0.5}).start()
    list(branch)
    page.goto(f"{server.url}/runs?run={branch.folder.id}&search=hens")
    tree = page.locator("[data-drawn=branches]")
    expect(tree.get_by_role("row")).to_have_count(3)
    expect(tree.get_by_role("cell", name="learning_rate 0.5 instead of")).to_be_visible()
    assert_accessible_and_fitting(page, "tree of branches")
    table = page.get_by_test_id("stDataFrame").locator(".dvn-scroller")
    cut, shadow = table.evaluate("box => [box.scrollWidth > box.clientWidth, getComputedStyle(box).boxShadow]")
    assert cut and shadow != "none"  # a sign that the table goes on
    tree.get_by_role("link").click()
    expect(page).to_have_url(re.compile(f"run={parent.name}"))
    tick_row(page, 0)
    expect(page.get_by_text("1 ticked: tick another one")).to_be_visible()
    tick_row(page, 1)
    page.get_by_role("link", name="Compare these 2").click()
    expect(page.locator("[data-drawn=comparison]")).to_be_visible()
    assert address(page)["runs"] == f"{branch.folder.id}.{parent.name}"
