"""Comparing runs as a person does: choose them, read curves, settings and warnings, let them write, take it away."""

import csv
import io
import shutil

import pytest
from app_server import PROMPT, address, assert_accessible_and_fitting, exported, run_without_questions
from playwright.sync_api import Page, expect
from run_folders import change_config, change_rows

from llm.checkpoints import RunFolder

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_person_compares_runs_lets_them_write_and_takes_the_figures_away(page: Page, server, tmp_path):
    first = run_without_questions(server, n_ctx=48)
    first = first.rename(first.with_name("20260131120001"))
    second, third = (first.with_name(f"2026013112000{number}") for number in (2, 3))
    for number, path in enumerate((second, third), 1):
        shutil.copytree(first, path)
        change_config(path, lambda config, seed=number: config["training"].update(seed=seed))
        change_rows(
            path, lambda rows, more=number: rows[-1]["evaluation"].update(loss=rows[-1]["evaluation"]["loss"] + more)
        )
    change_rows(third, lambda rows: rows[-1].update(skills={"articles": 0.9, "answers": 0.5}))
    change_config(third, lambda config: config["training"].update(batch_size=4))

    page.goto(f"{server.url}/compare")
    drawn = page.locator("[data-drawn=comparison]")
    expect(drawn.locator(".js-line")).to_have_count(4)  # the two newest: validation and training
    page.get_by_role("combobox", name="Runs").click()
    page.get_by_role("option").filter(has_text="20260131120001").or_(page.get_by_role("option")).first.click()
    page.keyboard.press("Escape")
    expect(drawn.locator(".js-line")).to_have_count(6)
    assert address(page)["runs"] == f"{third.name}.{second.name}.{first.name}"
    settings = drawn.get_by_role("region", name="What differs")
    expect(settings.get_by_role("row")).to_have_count(3)  # their letters, the batch size and the seed
    expect(settings.get_by_text("batch_size")).to_have_attribute("title", "Windows of n_ctx tokens per forward pass.")
    expect(page.get_by_text("A step is not the same amount of text everywhere")).to_be_visible()
    page.get_by_role("radio", name="FLOPs").click()
    expect(page.get_by_text("A step is not the same amount of text everywhere")).to_have_count(0)
    expect(drawn.locator(".xtitle").first).to_have_text("Training FLOPs")
    page.get_by_text("One band for runs that differ only in their seed").click()
    expect(drawn.locator(".annotation-text").filter(has_text="BC")).to_have_count(2)

    page.get_by_role("textbox", name="Prompt").fill(PROMPT)
    page.get_by_role("textbox", name="Prompt").press("Control+Enter")
    page.get_by_role("button", name="Generate with each run").click()  # at once: the prompt must not be lost
    expect(page.locator(".llm-writing-status").filter(has_text="Finished")).to_have_count(3)
    written = [text.inner_text() for text in page.locator(".llm-writing-text").all()]
    assert written[0].startswith(PROMPT) and len(set(written)) == 1  # the same weights, prompt and seed

    file = exported(page, "CSV of the curves", tmp_path)
    assert file.name == f"compare-{third.name}-{second.name}-{first.name}-curves.csv"
    assert {row["run"] for row in csv.DictReader(io.StringIO(file.read_text()))} == {"A", "B", "C"}
    assert exported(page, "PNG", tmp_path).read_bytes().startswith(b"\x89PNG")
    assert_accessible_and_fitting(page, "compare")

    shared, folder, rows = page.url, RunFolder(third), (third / "metrics.jsonl").read_bytes()
    folder.lock()
    folder.truncate_metrics(1)
    folder.write_status("running", "", 1)
    page.goto("about:blank")
    page.goto(shared)  # a link opens the same view
    expect(page.locator("[data-drawn=comparison] .annotation-text").filter(has_text="BC")).to_have_count(2)
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(PROMPT)
    expect(page.get_by_text("A run still trains")).to_be_visible()
    expect(page.get_by_text("Not every run has reached the end of its schedule")).to_be_visible()
    (third / "metrics.jsonl").write_bytes(rows)
    folder.write_status("finished", "", 2)
    expect(page.get_by_text("Not every run has reached the end of its schedule")).to_have_count(0)
