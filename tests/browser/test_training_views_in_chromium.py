"""Views of a whole run on the Train page, in a real Chromium."""

import csv
import io
import re
from pathlib import Path

import pytest
from app_server import assert_accessible_and_fitting, exported, never_ask, opened_from_disk, run_without_questions
from playwright.sync_api import Page, expect

import llm
from llm.checkpoints import RunFolder

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TITLE = "Gradient norm of each layer"
DRAWN = "[data-drawn=gradient_norms]"


@pytest.fixture(scope="module")
def run(server) -> Path:
    return run_without_questions(server, n_ctx=48)


@pytest.fixture
def page(tab) -> Page:
    """The tab of all tests here."""
    return tab


def open_section(page: Page, server, run: Path, title: str = TITLE) -> None:
    page.goto(f"{server.url}/train?run={run.name}")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")  # a rerun closes the section
    page.get_by_text(title).first.click()


def norms(run: Path) -> list[dict[str, float]]:
    return [row["grad_norms"] for row in RunFolder(run).read_metrics().rows if row["grad_norms"]]


def test_the_loss_chart_keeps_its_axes_in_the_address_and_is_saved_under_the_runs_name(page, server, run, tmp_path):
    page.goto(f"{server.url}/train?run={run.name}&log=y")
    chart = page.locator(".llm-live-loss")
    expect(chart.locator(".scatterlayer .js-line")).to_have_count(3)  # each step, smoothed, validation
    expect(chart.get_by_label("loss", exact=True)).to_be_checked()
    chart.get_by_label("steps", exact=True).check()
    page.wait_for_url("**log=xy*")
    picture, table = (exported(page, kind, tmp_path, ".llm-live") for kind in ("PNG", "CSV"))
    assert (picture.name, table.name) == (f"loss-{run.name}.png", f"loss-{run.name}.csv")
    assert picture.read_bytes().startswith(b"\x89PNG")
    losses = [row["loss"] for row in RunFolder(run).read_metrics().rows if row["loss"] is not None]
    rows = csv.DictReader(io.StringIO(table.read_text()))
    assert [float(row["nats"]) for row in rows if row["curve"] == "training, each step"] == losses
    assert_accessible_and_fitting(page, "the losses")


def test_what_happened_is_open_at_the_end_of_a_run_and_accessible(page, server, run):
    page.goto(f"{server.url}/train?run={run.name}")
    section = page.locator(f".st-key-train-doctor-{run.name}-ended")
    for finding in llm.diagnose(run).findings:
        expect(section.get_by_text(finding.what)).to_be_visible()
    expect(section.get_by_text(f"uv run llm doctor {run.name}")).to_be_visible()
    assert_accessible_and_fitting(page, "the section What happened", f".st-key-train-doctor-{run.name}-ended", "")


def test_gradient_norms_are_asked_for_drawn_and_exported(page, server, run, tmp_path):
    (server.home / "expectations.json").unlink()  # so that the question is asked
    open_section(page, server, run)
    page.get_by_role("button", name="The first block").click()
    chart = page.locator(DRAWN)
    expect(chart.locator(".scatterlayer .js-line")).to_have_count(len(norms(run)[0]))
    expect(page.get_by_text("You expected: the first block.")).to_be_visible()
    rows = list(csv.DictReader(io.StringIO(exported(page, "CSV", tmp_path, DRAWN).read_text())))
    assert [float(row["block 0"]) for row in rows] == [row["block 0"] for row in norms(run)]
    with opened_from_disk(page, exported(page, "Page that works offline", tmp_path, DRAWN)) as alone:
        expect(alone.locator(f"{DRAWN} .scatterlayer .js-line")).to_have_count(len(norms(run)[0]))


def test_the_section_is_accessible_and_fits(page, server, run):
    if "/train" not in page.url:
        open_section(page, server, run)
    page.wait_for_selector(DRAWN)
    assert_accessible_and_fitting(page, "gradient_norms")


def test_a_batch_is_shown_as_text_with_its_hardest_tokens(page, server, run):
    never_ask(server)
    open_section(page, server, run, "The batch at a step")
    batch = page.locator("[data-drawn=batch]")
    expect(batch.locator(".llm-batch-window")).to_have_count(2)
    expect(batch.locator(".llm-batch-line").first.locator("span")).to_have_count(49)  # n_ctx, and the first
    row = batch.locator(".llm-batch-row").nth(3)
    loss = row.locator("span").nth(1).inner_text()
    row.click()
    shown = re.compile(f"loss ({loss}|{float(loss) - 0.01:.2f})")  # with one digit more: the list may have rounded up
    expect(batch.locator(".llm-batch-card .llm-part-title").first).to_contain_text(shown)
    chosen = batch.locator(".llm-batch-chosen")
    expect(chosen).to_be_in_viewport()
    chosen.locator("xpath=preceding-sibling::span[1]").hover()
    expect(batch.locator(".llm-batch-card .llm-part-title").first).not_to_contain_text(shown)
    assert page.evaluate("window.broken") is None
    assert_accessible_and_fitting(page, "the batch")


def test_a_twin_with_another_learning_rate_starts_from_a_snapshot(page, server, run):
    page.goto(f"{server.url}/train?run={run.name}")
    page.get_by_text("Continue or branch").first.click()
    page.get_by_role("combobox", name="Go on from step").click()
    page.get_by_role("option", name="1", exact=True).click()
    button = page.get_by_role("button", name="Start a new run from step 1")
    button.wait_for()
    rate = page.get_by_role("spinbutton", name="`learning_rate`")
    rate.fill("0.5")
    rate.press("Enter")
    page.get_by_text("Changed: learning_rate 0.5.").wait_for()
    assert_accessible_and_fitting(page, "the section Continue or branch")
    button.click()
    page.get_by_text(f"(run {run.name}) at step 1, with learning_rate 0.5 instead of").wait_for()
    expect(page.locator(".llm-live-state")).to_have_text(["Finished"])  # alone, once that of the other run is gone
    page.get_by_role("button", name="Show that run").click()
    page.wait_for_url(f"**/train?run={run.name}")
