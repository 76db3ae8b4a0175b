"""The code page in a real Chromium: step through lines, click cells, follow symbols, guess shapes, edit the source."""

import re

import pytest
from app_server import HENS, address, assert_accessible_and_fitting, finished_run
from playwright.sync_api import Locator, Page, Route, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(server) -> str:
    return finished_run(server, HENS * 60, d_model=16, n_heads=2, n_ctx=64, d_mlp=600).name


@pytest.fixture
def page(tab) -> Page:
    """The tab of all tests here."""
    return tab


def open_code(page: Page, server, run: str, layer: str = "blocks.0.attention") -> None:
    """Open a layer at its first tensor: in the page that is open, if it shows this forward pass."""
    shown = address(page)
    if shown.get("run") == run and shown.get("read") == "forward":
        for path in layer.rpartition(".")[0], layer:  # a layer has its box once its block is open
            page.locator(f"[data-path='{path}']").click()
            wait_for_code(page)
        for toggle in "Backward", "Shapes quiz":
            if button(page, toggle).get_attribute("aria-pressed") == "true":
                press(page, toggle)
    else:
        load_code(page, server, run, layer)


def load_code(page: Page, server, run: str, layer: str) -> None:
    page.goto(f"{server.url}/code?run={run}&prompt=The%20hen%20sat&layer={layer}")
    wait_for_code(page)


def wait_for_code(page: Page) -> None:
    expect(page.locator(".llm-code-status")).to_contain_text("step", timeout=90_000)


def button(page: Page, name: str) -> Locator:
    return page.locator(".llm-code").get_by_role("button", name=name, exact=True)


def press(page: Page, name: str) -> None:
    button(page, name).click()


def current_line(page: Page) -> int:
    return int(page.locator(".llm-code-now").first.get_attribute("data-line"))


def test_stepping_moves_through_the_lines_and_the_address_follows(page, server, run):
    open_code(page, server, run)
    first = current_line(page)
    expect(page.locator(".llm-code-variable")).to_have_count(1)
    press(page, "Step ▶")
    press(page, "Step ▶")
    expect(page.locator(".llm-code-status")).to_contain_text("step 3 of")
    third = current_line(page)
    assert third > first
    expect(page.locator(".llm-code-variable")).to_have_count(3)
    assert page.locator(".llm-code-changed").get_attribute("data-name") == "value"
    press(page, "◀ Back")
    expect(page.locator(".llm-code-status")).to_contain_text("step 2 of")
    press(page, "Step ▶")
    page.wait_for_url(re.compile(f"line={third}"))
    page.reload()
    expect(page.locator(".llm-code-status")).to_contain_text(f"Line {third} ", timeout=90_000)
    press(page, "Play")
    page.wait_for_function("from => document.querySelector('.llm-code-now')?.dataset.line > from", arg=third)
    press(page, "Stop")


def test_a_clicked_line_has_its_counterpart_marked(page, server, run):
    open_code(page, server, run)
    page.locator("[data-implementation=torch] .llm-code-ran", has_text="torch.softmax").click()
    expect(page.locator("[data-implementation=torch] .llm-code-now")).to_contain_text("softmax")
    expect(page.locator("[data-implementation=einops] .llm-code-pair")).to_contain_text("softmax")
    expect(page.locator(".llm-code-symbol-now").first).to_have_text("pattern")
    page.locator(".llm-code-symbol", has_text="scores").first.click()
    expect(page.locator("[data-implementation=torch] .llm-code-now")).to_contain_text("hook_scores")


def test_a_clicked_cell_says_where_it_came_from(page, server, run):
    open_code(page, server, run)
    page.locator("[data-implementation=einops] .llm-code-ran", has_text="scores = einsum").click()
    canvas = page.locator(".llm-code-canvas")
    expect(canvas).to_have_attribute("aria-label", re.compile("Heat map of scores, 11 by 11"))
    place = page.evaluate("document.querySelector('.llm-code').llmView.view.layout.left")
    top = page.evaluate("document.querySelector('.llm-code').llmView.view.layout.top")
    canvas.click(position={"x": place + 22 * 2 + 8, "y": top + 22 * 5 + 8})  # query 5, key 2
    origin = page.locator(".llm-code-origin")
    expect(origin).to_contain_text("scores[0, 0, 5, 2]")
    expect(origin).to_contain_text('"e", "e"')  # of "The hen": the e of hen asks, the e of The is asked
    for name in ("query", "key", "product", "sum of products"):
        expect(origin).to_contain_text(name)
    canvas.press("ArrowLeft")
    expect(origin).to_contain_text("scores[0, 0, 5, 1]")
    press(page, "Backward")
    expect(page.locator(".llm-code-tensor")).to_contain_text("gradient of scores")
    press(page, "Actual sizes")
    chip = page.locator("[data-implementation=einops] .llm-code-now .llm-code-chip")
    expect(chip).to_have_text("# [batch, head, query_pos, key_pos]")
    press(page, "Actual sizes")
    expect(chip).to_have_text("# [1, 2, 11, 11]")


def test_a_large_tensor_is_seen_through_a_window_that_moves(page, server, run):
    open_code(page, server, run, "blocks.0.mlp")
    canvas, origin = page.locator(".llm-code-canvas"), page.locator(".llm-code-origin")
    expect(canvas).to_have_attribute("aria-label", re.compile("11 by 512, d_mlp 0 to 511 of 600"))
    page.evaluate("document.querySelector('.llm-code').llmView.view.choose([0, 511])")
    expect(origin).to_contain_text("pre[0, 0, 511]")
    canvas.press("ArrowRight")
    expect(origin).to_contain_text("pre[0, 0, 512]")
    expect(canvas).to_have_attribute("aria-label", re.compile("d_mlp 88 to 599 of 600"))
    expect(canvas).to_be_focused()
    earlier = page.get_by_role("button", name="Earlier d_mlp")
    earlier.focus()
    earlier.press("Enter")
    expect(canvas).to_have_attribute("aria-label", re.compile("d_mlp 0 to 511 of 600"))
    expect(earlier).to_be_focused()
    box = page.get_by_role("spinbutton", name="First d_mlp that is drawn")
    box.fill("77")
    box.press("Enter")
    expect(canvas).to_have_attribute("aria-label", re.compile("d_mlp 77 to 588 of 600"))
    drawn = page.evaluate("document.querySelector('.llm-code').llmView.view.numbers[0]")
    page.evaluate("document.querySelector('.llm-code').llmView.view.choose([0, 0])")
    expect(origin).to_contain_text("pre[0, 0, 77]")
    said = float(origin.locator(".llm-code-origin-title").inner_text().split("= ")[1].split(" ")[0].replace("−", "-"))
    assert said == pytest.approx(drawn, rel=1e-3)


def test_boxes_and_breadcrumbs_navigate_the_model(page, server, run):
    open_code(page, server, run)
    page.locator(".llm-code-box", has_text="Block 1").click()
    page.locator(".llm-code-box", has_text="Gated MLP").click()
    expect(page.locator(".llm-code-crumb").last).to_have_text("Gated MLP")
    expect(page.locator("[data-implementation=einops] .llm-code-file")).to_contain_text("GatedMLPWithEinops")
    expect(page.locator(".llm-code-proof")).to_contain_text("gradient by")
    page.locator(".llm-code-crumb", has_text="The model").click()
    expect(page.locator("[data-implementation=einops] .llm-code-file")).to_contain_text("llm/model.py")
    page.wait_for_url(re.compile("layer=model"))


def test_what_is_clicked_while_another_layer_opens_belongs_to_the_layer_that_is_shown(page, server, run):
    open_code(page, server, run, "blocks.0.mlp")
    canvas, origin = page.locator(".llm-code-canvas"), page.locator(".llm-code-origin")
    page.evaluate("document.querySelector('.llm-code').llmView.view.choose([1, 2])")
    expect(origin).to_contain_text("pre[0, 1, 2]")
    held: list[Route] = []
    page.route(re.compile("/layer[?]"), lambda route: held.append(route))
    page.locator("[data-path='blocks.0.attention']").click()
    expect(page.locator(".llm-code-status")).to_have_text("Tracing …")
    page.locator("[data-implementation=einops] .llm-code-ran", has_text="gate = self.hook_gate").click()
    expect(canvas).to_have_attribute("aria-label", re.compile("Heat map of gate"))
    expect(origin).to_contain_text("gate[0, 1, 2]")
    held[0].continue_()
    page.unroute_all()
    expect(page.locator("[data-implementation=einops] .llm-code-file")).to_contain_text("AttentionWithEinops")


def test_columns_stand_side_by_side_as_chosen_also_on_a_narrow_screen_and_after_another_page(page, server, run):
    open_code(page, server, run)
    columns = page.locator(".llm-code-column:visible")
    page.locator("[data-implementation=einops] .llm-code-ran").first.click()
    expect(columns).to_have_count(3)
    page.set_viewport_size({"width": 800, "height": 1000})
    expect(columns).to_have_count(1)
    press(page, "fused")
    expect(columns).to_have_count(2)
    left, right = (columns.nth(index).bounding_box() for index in (0, 1))
    assert left["y"] == right["y"] and left["width"] == right["width"] > 250
    assert page.get_by_test_id("stSidebar").bounding_box()["width"] < 200
    press(page, "einops")  # the one that is stepped through: its counterpart is, from now on
    expect(columns).to_have_attribute("data-implementation", "fused")
    expect(page.locator("[data-implementation=fused] .llm-code-now")).not_to_have_count(0)
    press(page, "fused")  # one stays
    expect(columns).to_have_count(1)
    page.wait_for_url(re.compile("columns=fused"))
    page.set_viewport_size({"width": 1440, "height": 1000})
    expect(columns).to_have_count(1)
    page.get_by_role("link", name="Tokenizer").click()
    page.get_by_role("heading", name="bpe").wait_for()
    page.get_by_role("link", name="Code", exact=True).click()
    wait_for_code(page)
    expect(columns).to_have_attribute("data-implementation", "fused")
    for name in "einops", "torch":
        press(page, name)
    expect(columns).to_have_count(3)
    page.locator("[data-implementation=einops] .llm-code-ran").first.click()


def test_light_and_dark_are_a_click_away(page, server, run):
    open_code(page, server, run)
    for name, background in ("Dark", "rgb(20, 21, 28)"), ("Light", "rgb(253, 252, 250)"):
        page.get_by_test_id("stMainMenu").get_by_role("button").click()
        page.get_by_role("menuitemradio", name=name).click()
        expect(page.locator(".stApp")).to_have_css("background-color", background)
        page.keyboard.press("Escape")


def test_the_quiz_hides_shapes_and_counts_right_guesses(page, server, run):
    open_code(page, server, run)
    press(page, "Shapes quiz")
    expect(page.locator(".llm-code-now .llm-code-chip").first).to_have_text("# [ ? ]")
    expect(page.locator(".llm-code-question")).to_contain_text("Which shape will query have?")
    page.locator(".llm-code-answer", has_text="[batch, head, pos, d_head]").click()
    expect(page.locator(".llm-code-question")).to_contain_text("Right")
    expect(page.locator(".llm-code-question")).to_contain_text("1 of 1 right")
    press(page, "Step ▶")
    page.locator(".llm-code-answer").filter(has_not_text="[batch, kv_head, pos, d_head]").first.click()
    expect(page.locator(".llm-code-question")).to_contain_text("Not quite")
    expect(page.locator(".llm-code-question")).to_contain_text("1 of 2 right")


def test_an_edit_is_tried_in_a_separate_process_and_reported(page, server, run):
    load_code(page, server, run, "blocks.0.attention")  # a layer that is chosen changes the editor a little later
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.get_by_text("Change a line, and see what breaks").click()
    page.get_by_role("button", name="Swap two axes").click()
    box = page.get_by_role("textbox", name="Code")
    expect(box).to_have_value(re.compile("-> batch head d_head pos"))
    page.get_by_text("It breaks", exact=True).click()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("As you predicted.")).to_be_visible(timeout=90_000)
    expect(page.get_by_text("query was [1, 2, 11, 8] and is now [1, 2, 8, 11]")).to_be_visible()
    page.get_by_role("button", name="Remove the scaling").click()
    expect(box).not_to_have_value(re.compile("math.sqrt"))
    page.get_by_text("Loss rises", exact=True).click()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("With the edit")).to_be_visible(timeout=90_000)
    expect(page.get_by_text("scores has changed")).to_be_visible()


def test_sampling_and_training_code_can_be_stepped_too(page, server, run):
    open_code(page, server, run)
    page.get_by_text("Sampling and training", exact=True).click()
    expect(page.locator("[data-implementation=code] .llm-code-file")).to_contain_text("llm/filters.py", timeout=90_000)
    press(page, "Step ▶")
    expect(page.locator(".llm-code-status")).to_contain_text("step 3 of")  # it opened at the first tensor, in step 2
    page.locator(".llm-code-box", has_text="BPE merges").click()
    page.locator(".llm-code-ran", has_text="merge = Merge(").click()
    expect(page.locator(".llm-code-variables")).to_contain_text("Merge(left=")
    press(page, "Step ▶")
    expect(page.locator(".llm-code-variables")).to_contain_text("Merge(left=")  # known from then on
    expect(page.get_by_role("button", name="Shapes quiz", exact=True)).to_be_hidden()  # there is no shape to guess
    page.locator(".llm-code-symbol", has_text="count").click()
    expect(page.locator(".llm-code-now")).to_contain_text("count = chunks.pair_counts[pair]")
    expect(page.locator(".llm-code-symbol-now")).to_have_text(["count"])
    page.locator(".llm-code-box", has_text="AdamW step").click()
    expect(page.locator(".llm-code-canvas")).to_have_attribute("aria-label", re.compile("Heat map of mean"))
    page.locator(".llm-code-box", has_text="Loss").click()
    page.locator(".llm-code-ran", has_text="cross_entropy").click()
    expect(page.locator(".llm-code-tensor")).to_contain_text("return is a single number")
    page.wait_for_url(re.compile("read=training"))


def test_the_page_is_accessible_and_fits(page, server, run):
    open_code(page, server, run)
    page.wait_for_selector(".llm-code-canvas")
    assert_accessible_and_fitting(page, "code", ".llm-code")


def test_an_edited_source_file_shows_its_new_text(page, server, run):
    open_code(page, server, run, "blocks.0.mlp")
    page.wait_for_url(re.compile("layer=blocks.0.mlp"))
    file = server.folder / "llm" / "layers" / "mlp" / "gated.py"
    before = file.read_text()
    renamed = before.replace(
        "gate = self.hook_gate(self.activation(gate))", "opened = gate = self.hook_gate(self.activation(gate))"
    )
    assert renamed != before
    file.write_text(renamed)
    page.evaluate("document.querySelector('.llm-code').llmView.view.choose([0, 0])")
    expect(page.locator(".llm-code-status")).to_have_text(
        "gated.py was edited after this page was opened: reload the page"
    )
    page.reload()
    expect(page.locator("[data-implementation=einops]")).to_contain_text("opened = gate", timeout=90_000)
    page.locator("[data-implementation=einops] .llm-code-ran", has_text="opened = gate").click()
    expect(page.locator(".llm-code-variable", has_text="opened")).to_be_visible()
    file.write_text(before)
