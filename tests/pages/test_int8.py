"""What the page Generate tells of weights as integers of 8 bits."""

import shutil

from app_pages import button, open_page, texts, tiny_run

from llm.background import generations
from llm.background.opened import open_run
from llm.training.int8_cost import cost_rows, int8_cost


def opened(path, **address):
    app = open_page("generate", run=path.name, **address)
    app.session_state["generate-int8"] = True  # opened by hand
    return app.run()


def measured(app):
    next(toggle for toggle in app.toggle if toggle.label == "Measure it on the validation text").set_value(True).run()
    assert not app.exception
    return app


def test_it_is_measured_when_asked_for_and_says_so_until_there_is_a_text(home):
    path = tiny_run(home)
    app = opened(path)
    assert not app.table
    app = measured(app)
    table = app.table[0].value
    expected = cost_rows(int8_cost(open_run(path, None), skill_pairs=0))
    assert list(table.loc["weights, MB"]) == list(expected[0][1:])
    assert list(table.loc["bits per character"]) == list(expected[2][1:])
    assert "Generate a text above" in texts(app)


def test_the_text_that_is_shown_is_written_once_more(home):
    path = tiny_run(home)
    app = opened(path, prompt="The hen", max_new_tokens="12", seed="3")
    button(app, "generate-start").click().run()
    text = generations.get(app.session_state[f"generate-text-{path.name}"])
    text.thread.join(60)
    app = measured(app)
    assert "With the integers, the same seed writes the same" in texts(app)
    if "goes another way" in texts(app):
        assert app.code[0].value.startswith("The hen")


def test_a_run_without_its_text_says_why_nothing_can_be_measured(home, tmp_path):
    path = tiny_run(home)
    app = opened(path)
    shutil.move(path / "text.txt", tmp_path / "text.txt")
    try:
        app = measured(app)
        assert "text.txt" in texts(app) and not app.table
    finally:
        shutil.move(tmp_path / "text.txt", path / "text.txt")
