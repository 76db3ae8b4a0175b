"""What a user does, in a real Chromium: train, pause, step, resume, leave, come back, generate."""

import itertools
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from app_server import HOSTILE, assert_accessible_and_fitting
from playwright.sync_api import Page, expect
from sample_files import FOX, HEN, pdf
from sample_files import page as web_page

from llm.checkpoints import RunFolder
from llm.runs.corpus import run_corpus
from llm.tokenizers import load_tokenizer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CYRILLIC = "Лиса сидела у реки и ждала. Мельник спал, а колесо стояло. Кто придёт утром? Никто не знал.\n" * 300


@pytest.fixture
def page(tab) -> Page:
    """The tab of all tests here."""
    return tab


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def new_run(page: Page, server) -> None:
    """Open the form for a new run, as a user who has just done something else."""
    if page.url == "about:blank":
        page.goto(f"{server.url}/train?new=1")
    elif "/train" in page.url:
        press(page, "New run")
    else:
        page.get_by_role("link", name="Train", exact=True).click()
    page.get_by_role("button", name="Start", exact=True).wait_for()


def run_id(page: Page) -> str:
    return parse_qs(urlparse(page.url).query)["run"][0]


def step(page: Page) -> int:
    text = page.locator(".llm-live-tile-step .llm-live-value").inner_text()
    found = re.match(r"([\d,]+) /", text)
    return int(found[1].replace(",", "")) if found else 0


def reach(page: Page, wanted: int) -> None:
    page.wait_for_function(
        """wanted => {
            const value = document.querySelector(".llm-live-tile-step .llm-live-value");
            return value && parseInt(value.textContent.replaceAll(",", "")) >= wanted;
        }""",
        arg=wanted,
    )


def state(page: Page, name: str) -> None:
    expect(page.locator(".llm-live-state")).to_have_text(name, timeout=90_000)


def stop(page: Page) -> None:
    press(page, "Stop")
    state(page, "Stopped")


def rows(server, run: str) -> list[int]:
    return [row["step"] for row in RunFolder(server.home / "checkpoints" / run).read_metrics().rows]


def test_one_press_on_the_home_page_trains_a_model_that_writes(page, server):
    page.goto(server.url)
    press(page, "Train your first model")
    state(page, "Training")
    reach(page, 3)
    expect(page.locator(".llm-live-sample").first).to_contain_text("untrained")
    for figure in ("bits", "accuracy"):
        expect(page.locator(f".llm-live-tile-{figure}")).to_contain_text("of step 0, untrained")
    expect(page.locator(".llm-live-chart .annotation-text").first).to_contain_text("uniform")
    expect(page.locator(".llm-live-chart .annotation-text")).to_have_count(5)  # the baselines and the floor
    stop(page)
    for width, height in (1440, "420"), (800, "380"), (1440, "420"):  # nothing but the new size has it drawn again
        page.set_viewport_size({"width": width, "height": 1000})
        expect(page.locator(".llm-live-chart .main-svg").first).to_have_attribute("height", height)
        assert_nothing_overlaps(page)


def assert_nothing_overlaps(page: Page) -> None:
    """The legend is above all labels of lines, and these are one above the other."""
    boxes = page.evaluate(  # all at once: each drawing makes new elements
        """[".legend", ".annotation-text"].map((name) => [...document.querySelectorAll(`.llm-live-chart ${name}`)]
            .map((shape) => shape.getBoundingClientRect()).map(({ top, bottom }) => [top, bottom]))"""
    )
    (legend,), labels = boxes
    assert len(labels) == 5
    assert all(upper[1] <= lower[0] for upper, lower in itertools.pairwise([legend, *sorted(labels)]))


@pytest.mark.parametrize("architecture", ["LLaMA", "OLMo"])
def test_each_other_preset_is_chosen_and_trains(page, server, architecture):
    new_run(page, server)
    press(page, f"Choose {architecture}")
    page.get_by_text(f"{architecture} small").wait_for()
    press(page, "Start")
    state(page, "Training")
    reach(page, 2)
    expect(page.locator(".llm-live-sample").first).to_contain_text("untrained")
    stop(page)


def test_a_run_trains_pauses_steps_resumes_survives_a_refresh_and_writes(page, server):
    new_run(page, server)
    press(page, "Start")
    state(page, "Training")
    reach(page, 2)
    press(page, "Pause")
    state(page, "Paused")
    run = run_id(page)
    paused_at = rows(server, run)[-1]
    reach(page, paused_at)
    page.wait_for_timeout(1500)
    assert rows(server, run)[-1] == paused_at  # nothing moves
    press(page, "Step")
    reach(page, paused_at + 1)
    state(page, "Paused")
    assert rows(server, run)[-1] == paused_at + 1

    press(page, "Resume")
    state(page, "Training")
    page.reload()
    state(page, "Training")
    reach(page, paused_at + 3)
    expect(page.locator(".llm-live-sample").first).to_contain_text("untrained")

    stop(page)
    steps = rows(server, run)
    assert steps == list(range(steps[-1] + 1))  # each step once
    press(page, "Generate text")
    page.get_by_role("textbox", name="Prompt").wait_for()
    assert run_id(page) == run
    amount = page.get_by_role("spinbutton", name="`max_new_tokens`")
    amount.fill("40")
    amount.press("Enter")
    press(page, "Generate")
    expect(page.locator(".llm-writing-status")).to_contain_text("Finished", timeout=90_000)
    assert page.locator(".llm-writing-token").count() == 40
    page.locator(".llm-writing-token").filter(has_text=re.compile(r"\w")).first.hover()
    expect(page.locator(".llm-writing-card")).to_contain_text("The model gave")
    written = page.locator(".llm-writing-text").inner_text()
    assert_accessible_and_fitting(page, "writing", ".llm-writing")
    page.reload()
    expect(page.locator(".llm-writing-text")).to_have_text(written, use_inner_text=True)
    go_on_from_another_token_and_come_back(page, written)
    page.get_by_text("Copied, recombined or new?").click()
    expect(page.locator(".llm-novelty-text")).to_have_text(written, use_inner_text=True)
    expect(page.locator(".llm-novelty-legend tbody td:first-child")).to_have_text(["copied", "recombined", "new"])
    part = page.locator(".llm-novelty-span").filter(has_text=re.compile(r"\w")).first
    part.click()
    match = page.locator(".llm-novelty-passage mark").first
    expect(match).to_contain_text(part.inner_text(), use_inner_text=True)
    assert match.inner_text() in (server.home / "checkpoints" / run / "text.txt").read_text("utf-8")
    through = page.locator(".llm-novelty-through svg")
    expect(through.locator(".llm-lines-name")).to_have_count(3)
    expect(page.locator(".llm-novelty-status")).to_be_hidden()  # all snapshots are written
    plot = through.bounding_box()
    for name in through.locator(".llm-lines-name").all():
        assert name.bounding_box()["y"] >= plot["y"]  # also of a line at the top
    assert_accessible_and_fitting(page, "novelty", ".llm-novelty")


def go_on_from_another_token_and_come_back(page: Page, written: str) -> None:
    page.locator(".llm-writing-token").nth(20).click()
    expect(page.locator(".llm-writing-title")).to_contain_text("Position 20.")
    row = page.locator(".llm-writing-stages tbody tr").filter(has=page.locator("button")).first
    token = json.loads(row.locator("code").inner_text())
    row.get_by_role("button").click()
    branches = page.get_by_label("Branches of this text").get_by_role("button")
    expect(branches).to_have_count(2)
    expect(branches.nth(1)).to_have_text(f"at 20: {json.dumps(token, ensure_ascii=False)}")
    expect(page.locator(".llm-writing-status")).to_contain_text("Finished")
    assert page.locator(".llm-writing-choice").text_content() == token
    branch = page.locator(".llm-writing-text").inner_text()
    page.reload()  # the link has the seed and the choice
    expect(page.locator(".llm-writing-text")).to_have_text(branch, use_inner_text=True)
    page.get_by_text("More sampling settings").click()
    page.get_by_role("spinbutton", name="`min_p`").wait_for()
    for width in 800, 1440:  # with all settings open the result is in view
        page.set_viewport_size({"width": width, "height": 1000})
        expect(page.locator(".llm-writing-text")).to_be_in_viewport(ratio=0.9)
    assert_accessible_and_fitting(page, "branches", ".llm-writing")
    page.get_by_text("Beside another checkpoint").click()
    texts = page.locator(".llm-writing-text")
    expect(texts).to_have_count(3)
    expect(page.locator(".llm-writing-status").last).to_contain_text("Finished")
    untrained = texts.last.inner_text()
    assert texts.nth(1).inner_text() == branch != untrained
    page.get_by_role("slider", name="Snapshot").press("End")
    expect(texts.last).not_to_have_text(untrained, use_inner_text=True)
    assert_accessible_and_fitting(page, "beside", ".llm-writing")
    page.get_by_text("Beside another checkpoint").click()
    expect(texts).to_have_count(1)
    branches.first.click()
    expect(page.locator(".llm-writing-text")).to_have_text(written, use_inner_text=True)


def test_another_tab_and_a_page_switch_see_the_same_run(page, server):
    starter = page.context.new_page()
    new_run(starter, server)
    press(starter, "Start")
    state(starter, "Training")
    run = run_id(starter)
    page.get_by_role("link", name="Train", exact=True).click()  # it finds the run that is under way
    state(page, "Training")
    assert run_id(page) == run
    page.get_by_role("link", name="Tokenizer").click()
    page.get_by_role("heading", name="bpe").wait_for()
    starter.close()
    before = rows(server, run)[-1]
    page.get_by_role("link", name="Train", exact=True).click()
    state(page, "Training")
    reach(page, before + 2)
    stop(page)


def test_a_sweep_fills_the_queue_which_survives_a_page_switch(page, server):
    new_run(page, server)
    page.get_by_text("Sweep: several runs").click()
    setting = page.get_by_role("combobox", name="Setting").first
    setting.wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")  # a rerun closes the list
    setting.click()
    page.keyboard.type("seed")
    page.get_by_role("option", name="Seed · seed", exact=True).click()
    values = page.get_by_role("textbox", name="Values").first
    values.fill("5, 6, 7")
    values.press("Enter")
    press(page, "Add 3 runs to the queue")
    page.get_by_text("2 runs; the first starts when").wait_for()  # one trains
    page.get_by_role("link", name="Home", exact=True).click()
    page.get_by_role("heading", name="Latest runs").wait_for()
    page.get_by_role("link", name="Train", exact=True).click()
    state(page, "Training")
    page.get_by_text("gpt small + seed 7, 450 steps").wait_for()
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_text("1 run starts when").wait_for()
    stop(page)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Queue", exact=True)).to_have_count(0)


def test_an_edited_source_file_loses_nothing(page, server):
    new_run(page, server)
    press(page, "Start")
    state(page, "Training")
    reach(page, 2)
    run = run_id(page)
    for name in ("components/shared/states.py", "llm/background/trainings.py", "pages/train.py"):
        file = Path(server.folder / name)
        file.write_text(file.read_text() + "\n# edited\n")
    page.wait_for_timeout(2000)  # the server notices
    page.reload()
    state(page, "Training")
    before = rows(server, run)[-1]
    reach(page, before + 2)
    press(page, "Pause")
    state(page, "Paused")
    press(page, "Resume")
    state(page, "Training")
    stop(page)
    steps = rows(server, run)
    assert steps == list(range(steps[-1] + 1))


def test_a_binary_file_is_refused_with_a_message(page, server):
    new_run(page, server)
    page.locator("input[type=file]").set_input_files(
        {"name": "picture.txt", "mimeType": "text/plain", "buffer": b"\xff\xd8\xff\xe0" * 100}
    )
    expect(page.get_by_text("picture.txt is not UTF-8 text: byte 0xff at offset 0")).to_be_visible()


def test_a_text_in_another_script_is_uploaded_trained_on_and_continued(page, server):
    if "new=1" not in page.url:
        new_run(page, server)
    page.locator("input[type=file]").set_input_files(
        {"name": "лиса.txt", "mimeType": "text/plain", "buffer": CYRILLIC.encode()}
    )
    page.get_by_text("Лиса сидела у реки", exact=False).first.wait_for()
    press(page, "Start")
    state(page, "Training")
    reach(page, 2)
    expect(page.get_by_text("Reads лиса.txt")).to_be_visible()
    stop(page)
    press(page, "Generate text")
    page.get_by_role("textbox", name="Prompt").fill("Мельник спал")
    page.get_by_role("textbox", name="Prompt").press("Control+Enter")
    press(page, "Generate")
    expect(page.locator(".llm-writing-status")).to_contain_text("Finished", timeout=90_000)
    assert (server.home / "uploads" / "лиса.txt").read_text("utf-8") == CYRILLIC


def test_files_of_several_kinds_are_uploaded_previewed_split_and_trained_on(page, server):
    new_run(page, server)
    rows = "id,story\n" + "".join(f'{number},"The hen sat on gate {number} and waited."\n' for number in range(300))
    files = {"rows.csv": rows.encode(), "web.html": web_page(HEN, FOX).encode(), "paper.pdf": pdf(HEN, FOX)}
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "text/plain", "buffer": content} for name, content in files.items()]
    )
    page.get_by_text("What is taken of 3 files:").wait_for()
    page.get_by_text("How the text is split").click()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")  # a rerun closes the list
    page.get_by_role("combobox", name="Held out by").click()
    page.get_by_role("option", name="document", exact=True).click()
    page.get_by_text("Changed from the usual split: split_by document instead of characters").wait_for()
    assert_accessible_and_fitting(page, "the form of a new run")
    press(page, "Start")
    state(page, "Training")
    reach(page, 2)
    expect(page.get_by_text("Reads paper.pdf and 2 more files")).to_be_visible()
    stop(page)
    folder = RunFolder(server.home / "checkpoints" / run_id(page))
    parts = run_corpus(folder, load_tokenizer(folder.path)).parts
    assert all(part.count("The hen sat on gate") > 10 for part in parts)
    assert sorted(re.findall(r"gate (\d+) and waited\.", "".join(parts)), key=int) == [str(row) for row in range(300)]


def test_characters_that_a_tokenizer_does_not_know_are_reported(page):
    page.get_by_role("link", name="Tokenizer").click()
    page.get_by_role("textbox", name="Text").fill(HOSTILE)
    page.get_by_role("textbox", name="Text").press("Control+Enter")
    expect(page.get_by_text("The char tokenizer does not know")).to_be_visible()
    assert page.evaluate("window.broken") is None


def test_a_text_fuses_into_tokens_and_the_vocabulary_and_languages_are_looked_up(page, server):
    page.goto(f"{server.url}/tokenizer?text=the%20theme")
    page.get_by_role("radio", name="Merge by merge").click()
    pieces, status = page.locator(".llm-merges-piece"), page.locator(".llm-merges-status")
    expect(pieces).to_have_text(list("the·theme"))
    press(page, "Merge ▶")
    expect(status).to_contain_text("1 of")
    expect(page.locator(".llm-merges-made")).to_have_text(["he", "he"])
    expect(page.locator(".llm-merges-why")).to_contain_text("training merged it first: as merge")
    expect(page.locator(".llm-merges-first")).to_have_count(1)
    press(page, "◀ Back")
    expect(pieces).to_have_text(list("the·theme"))
    page.get_by_label("Merges done").press("End")
    expect(page.locator(".llm-merges-why")).to_contain_text("these pieces are the tokens")
    at_end = pieces.locator(".llm-merges-text").all_inner_texts()
    assert "".join(at_end) == "the·theme" and len(at_end) < 7
    expect(page.locator(".llm-merges-id")).to_have_count(len(at_end))
    assert_accessible_and_fitting(page, "merges", ".llm-merges")
    page.get_by_role("textbox", name="Text").fill(HOSTILE)
    page.get_by_role("textbox", name="Text").press("Control+Enter")
    expect(pieces.first).to_have_text("<")
    page.get_by_role("radio", name="Learn merges from this text alone").click()
    expect(page.locator(".llm-merges-why")).to_contain_text("No pair occurs more often")
    page.get_by_role("radio", name="Compare").click()
    shown = page.locator(".llm-tokens").nth(0)
    expect(shown).to_be_visible()
    assert page.evaluate("window.broken") is None

    page.get_by_role("radio", name="Vocabulary").click()
    expect(page.get_by_text("2,048 of 2,048 tokens")).to_be_visible()
    page.get_by_role("textbox", name="Search").fill("·fox")
    page.get_by_role("textbox", name="Search").press("Enter")
    expect(page.get_by_text(re.compile(r"^\d of 2,048 tokens"))).to_be_visible()
    page.get_by_role("radio", name="Languages").click()
    expect(page.get_by_text("What it means.")).to_be_visible()


def test_a_text_after_a_hostile_prompt_can_be_stopped_and_is_kept(page, server):
    run = sorted((server.home / "checkpoints").iterdir())[0].name
    page.goto(f"{server.url}/generate?run={run}")
    page.get_by_role("textbox", name="Prompt").fill(HOSTILE)
    page.get_by_role("textbox", name="Prompt").press("Control+Enter")
    amount = page.get_by_role("spinbutton", name="`max_new_tokens`")
    amount.fill("5000")
    amount.press("Enter")
    press(page, "Generate")
    page.get_by_text("Earlier texts of this run").click()  # what stands open here waits for the text to end
    page.locator(".llm-writing-token").nth(5).wait_for()
    press(page, "Stop")
    expect(page.locator(".llm-writing-status")).to_contain_text("Stopped")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    assert page.locator(".llm-writing-prompt").inner_text().startswith("<img src=x")
    written = page.locator(".llm-writing-text").inner_text().split("\n")[0]
    expect(page.get_by_test_id("stExpanderDetails").get_by_text(written[:60]).first).to_be_visible()
    assert page.evaluate("window.broken") is None
    assert page.locator("img[src=x]").count() == 0
