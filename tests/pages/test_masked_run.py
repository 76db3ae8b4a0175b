"""A run that fills in masked tokens, on every page: it is shown, or a sentence says why not."""

import pytest
from app_pages import finished_run, never_ask, open_page, texts

WHY = "cannot"
NEXT_TOKEN_VIEWS = ("lens", "attribution", "intervene", "patching")


@pytest.fixture
def masked(home) -> str:
    never_ask(home)
    return finished_run(home, "gpt", {}, mask="bidirectional").name


@pytest.mark.parametrize("page", ["home", "train", "runs", "compare", "attention", "code", "tokenizer"])
def test_a_page_opens_it(masked, page):
    app = open_page(page, run=masked)
    assert not app.exception and "did not work" not in texts(app)


@pytest.mark.parametrize("view", ["heads", "head", "training"])
def test_attention_is_shown(masked, view):
    app = open_page("attention", run=masked, view=view, prompt="The hen ___at on")
    assert not app.exception and "did not work" not in texts(app)
    assert "___ stands for a masked one" in texts(app)
    assert not [button for button in app.button if button.label == "Append the next token"]


@pytest.mark.parametrize("view", ["embeddings", "neurons", "residual"])
def test_what_is_inside_is_shown(masked, view):
    app = open_page("inside", run=masked, view=view)
    assert not app.exception and "did not work" not in texts(app)


@pytest.mark.parametrize("view", NEXT_TOKEN_VIEWS)
def test_a_view_of_the_next_token_says_why_it_is_not_shown(masked, view):
    app = open_page("inside", run=masked, view=view)
    assert not app.exception
    assert "mask='bidirectional' cannot be shown in the view" in texts(app)


def test_the_circuit_says_why_it_is_not_shown(masked):
    app = open_page("circuit", run=masked)
    assert not app.exception and "mask='bidirectional' cannot be shown in the view Circuit" in texts(app)


def test_the_code_of_its_training_is_that_of_masking(masked):
    app = open_page("code", run=masked, read="training")
    assert not app.exception and "did not work" not in texts(app)
    assert "naming each token" in texts(open_page("code", run=masked))


def test_generate_says_why_not_and_fills_in_a_blank(masked):
    app = open_page("generate", run=masked, prompt="The h___n sat")
    assert not app.exception and "cannot continue a text" in texts(app)
    assert not [button for button in app.button if button.label == "Generate"]
    [table] = app.dataframe
    assert len(table.value) == 8 and table.value["probability"].is_monotonic_decreasing
    app.text_area[0].set_value("The hen").run()
    assert "has no blank" in texts(app)


def test_by_default_a_blank_stands_in_a_text_of_the_run(masked):
    app = open_page("generate", run=masked)
    assert "___" in app.text_area[0].value and len(app.dataframe) == 1
