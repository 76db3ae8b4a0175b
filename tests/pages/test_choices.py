"""What one chooses on a page: it is what is opened, whatever else happens meanwhile."""

import json
import re
import shutil
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from app_pages import PROJECT, TEXT, button, finished_run, never_ask, open_page, texts, tiny_run

from components.shared import prediction
from llm.checkpoints import RunFolder, list_runs

FIRST, SECOND = "20260131120001", "20260131120002"


def run_named(home, name, **settings):
    """A finished run with this id."""
    path = tiny_run(home, **settings)
    return path.rename(path.with_name(name))


def box(app, label):
    """The select box with this label."""
    return next(box for box in app.selectbox if box.label == label)


def run_in_address(app):
    """The run in the address: AppTest returns a value that a page wrote as text, and any other as a list."""
    run = app.query_params["run"]
    return run if isinstance(run, str) else run[0]


@pytest.mark.parametrize("page", ["generate", "attention", "inside", "code"])
def test_a_pick_survives_that_labels_change_while_a_run_trains(home, page):
    never_ask(home)
    run_named(home, FIRST)
    training = RunFolder(shutil.copytree(home / "checkpoints" / FIRST, home / "checkpoints" / SECOND))
    for n_picked, run in enumerate((FIRST, SECOND)):  # the other run; then the very one whose label changes
        training.write_status("running", "", 40)
        app = open_page(page, run=SECOND if run == FIRST else FIRST)
        box(app, "Run").select_index(1 - n_picked)
        training.write_status("running", "", 45)
        app.run()
        assert not app.exception
        assert (run_in_address(app), box(app, "Run").value) == (run, run)


def test_equal_runs_of_one_minute_are_told_apart(home):
    run_named(home, FIRST)
    shutil.copytree(home / "checkpoints" / FIRST, home / "checkpoints" / SECOND)
    labels = [run.label for run in list_runs(home / "checkpoints")]
    for index, run in enumerate((SECOND, FIRST)):
        app = open_page("generate")
        assert box(app, "Run").options == labels and labels[index].endswith(f"12:00:0{run[-1]}")
        box(app, "Run").select_index(index)
        app.run()
        assert run_in_address(app) == run


def test_picking_a_run_keeps_nothing_of_the_one_before(home):
    run_named(home, FIRST)
    shutil.copytree(home / "checkpoints" / FIRST, home / "checkpoints" / SECOND)
    app = open_page("generate", run=FIRST, step="2", prompt="The fox")
    box(app, "Run").select(SECOND).run()
    assert "step" not in app.query_params
    assert app.query_params["prompt"] != ["The fox"]


def test_a_picked_step_survives_that_its_loss_becomes_known(home):
    path = run_named(home, FIRST)
    metrics = path / "metrics.jsonl"
    rows = metrics.read_bytes()
    metrics.write_bytes(b"")
    app = open_page("generate", run=FIRST)
    step = box(app, "Step")
    assert step.options[1] == "Step 3"
    step.select_index(1)
    metrics.write_bytes(rows)
    app.run()
    assert box(app, "Step").value == 3
    assert "loss" in box(app, "Step").options[1]


def test_an_earlier_run_opens_though_its_label_has_changed(home):
    training = RunFolder(run_named(home, FIRST))
    training.write_status("running", "", 1)
    app = open_page("train", new="1")
    box(app, "Earlier runs").select_index(0)
    training.write_status("running", "", 2)
    app.run()
    assert run_in_address(app) == FIRST


def test_the_run_whose_tokenizer_is_compared_stays_chosen_while_it_trains(home):
    training = RunFolder(run_named(home, FIRST))
    app = open_page("tokenizer")
    box(app, "Compare with the tokenizer of a run").select_index(1)
    training.write_status("running", "", 2)
    app.run()
    assert box(app, "Compare with the tokenizer of a run").value == FIRST


def control(app, kind, label):
    """The control of this kind whose label ends so: with the name in code, after the plain one."""
    return next(control for control in app.get(kind) if control.label.endswith(label))


def visit_another_page(app):
    """Switch to another page and back to Train."""
    app.switch_page("code.py").run()
    app.switch_page("train.py").run()
    assert not app.exception


def test_what_differs_from_a_preset_is_marked_also_when_one_comes_back_to_it(home):
    app = open_page("train", new="1")
    assert "Changed from" not in texts(app)
    control(app, "number_input", "`n_layers`").set_value(2).run()
    control(app, "number_input", "`learning_rate`").set_value(0.003).run()
    button(app, "train-choose-llama").click().run()
    assert control(app, "number_input", "`n_layers`").label == "Blocks `n_layers`"
    assert "Changed from LLaMA small" not in texts(app)
    assert "Changed from the usual training settings: learning_rate 0.003 instead of " in texts(app)
    button(app, "train-choose-gpt").click().run()
    assert control(app, "number_input", "`n_layers`").label == "Blocks :orange-badge[changed] `n_layers`"
    assert "Changed from GPT small: n_layers 2 instead of 3" in texts(app)
    button(app, "train-model-gpt-small-reset").click().run()
    button(app, "train-training-reset").click().run()
    assert not app.exception and "Changed from" not in texts(app)
    assert control(app, "number_input", "`n_layers`").value == 3


def test_the_cost_says_what_the_run_takes_of_memory_and_disk(home, monkeypatch):
    app = open_page("train", new="1")
    assert re.search(r"\*\*[0-9,]+ MB\*\* of memory to train, of [0-9,]+ GB in this machine", texts(app))
    assert re.search(r"\*\*[0-9,]+ MB\*\* on the disk, of [0-9,.]+ [MG]B free ·", texts(app))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50_000_000))  # a full disk
    app.run()
    assert "of 50 MB free :red[(too little: lower max_disk_mb)" in texts(app)


def test_a_page_switch_forgets_nothing_of_the_form(home):
    (home / "uploads").mkdir()
    (home / "uploads" / "hens.txt").write_text(TEXT)
    app = open_page("train", new="1")
    button(app, "train-choose-llama").click().run()
    box(app, "Text").select_index(2).run()
    control(app, "button_group", "Size").set_value("medium").run()
    control(app, "button_group", "Tokenizer").set_value("bpe").run()
    edits = {
        ("number_input", "Vocabulary size"): 300,
        ("number_input", "`n_layers`"): 3,  # of each kind of control
        ("number_input", "`learning_rate`"): 0.002,
        ("number_input", "`steps`"): 77,
        ("selectbox", "`schedule`"): "constant",
        ("toggle", "`tie_embeddings`"): not control(app, "toggle", "`tie_embeddings`").value,
    }
    for (kind, label), value in edits.items():
        control(app, kind, label).set_value(value).run()
    visit_another_page(app)
    assert app.session_state["train-architecture"] == "llama"
    assert box(app, "Text").value.name == "hens.txt"
    assert control(app, "button_group", "Size").value == "medium"
    assert control(app, "button_group", "Tokenizer").value == "bpe"
    assert {field: control(app, *field).value for field in edits} == edits


def test_the_suggested_learning_rate_follows_the_optimizer_and_the_size(home):
    app = open_page("train", new="1")
    assert control(app, "number_input", "`learning_rate`").value == 0.01
    control(app, "selectbox", "`optimizer`").set_value("adamw").run()
    assert control(app, "number_input", "`learning_rate`").value == 0.003
    control(app, "number_input", "`learning_rate`").set_value(0.002).run()
    control(app, "button_group", "Size").set_value("medium").run()
    assert control(app, "number_input", "`learning_rate`").value == 0.00071
    control(app, "button_group", "Size").set_value("small").run()
    assert control(app, "number_input", "`learning_rate`").value == 0.002


def test_an_invalid_field_does_not_make_the_form_forget_the_others(home):
    app = open_page("train", new="1")
    control(app, "number_input", "`steps`").set_value(77).run()
    control(app, "number_input", "`n_kv_heads`").set_value(3).run()  # the form ends here
    assert not any(number.label.endswith("`steps`") for number in app.number_input)
    control(app, "number_input", "`n_kv_heads`").set_value(2).run()
    assert control(app, "number_input", "`steps`").value == 77


def test_a_page_switch_keeps_the_sampling_settings(home):
    run_named(home, FIRST)
    app = open_page("generate")
    control(app, "number_input", "`temperature`").set_value(0.3).run()
    app.switch_page("train.py").run()
    app.switch_page("generate.py").run()
    assert control(app, "number_input", "`temperature`").value == 0.3


def test_an_upload_named_as_a_built_in_text_is_told_apart(home):
    (home / "uploads").mkdir()
    for name in ("strangers.txt", "training.txt"):
        (home / "uploads" / name).write_text(TEXT)
    app = open_page("train", new="1")
    names = ["training.txt", "strangers.txt"]
    assert box(app, "Text").options == [*names, "strangers.txt (uploaded)", "training.txt (uploaded)"]
    paths = [PROJECT / name for name in names] + [home / "uploads" / name for name in reversed(names)]
    for index, path in enumerate(paths):
        box(app, "Text").select_index(index).run()
        assert box(app, "Text").value == path


def test_each_browser_has_its_own_answers(home, monkeypatch):
    monkeypatch.setattr(prediction, "person", lambda: "one browser")
    path = run_named(home, FIRST)
    app = open_page("attention", run=path.name)
    button(app, "expect-attention-heads-A few").click().run()
    assert "You expected: **a few**" in texts(app)
    monkeypatch.setattr(prediction, "person", lambda: "another browser")
    other = open_page("attention", run=path.name)
    assert "**What do you expect?**" in texts(other)
    button(other, "expect-attention-heads-off").click().run()
    assert not next(toggle for toggle in other.toggle if toggle.key == "expect-switch").value
    monkeypatch.setattr(prediction, "person", lambda: "one browser")
    assert "You expected: **a few**" in texts(open_page("attention", run=path.name))
    assert json.loads((home / "expectations.json").read_bytes()) == {
        "one browser": {"attention-heads": "A few"}, "another browser": {"never ask": True},
    }  # fmt: skip


TEXT_BOXES = {"generate": "Prompt", "attention": "Text that the model reads", "code": "Text", "tokenizer": "Text"}


@pytest.mark.parametrize("page", TEXT_BOXES)
def test_an_address_stays_short_enough_for_a_server_and_the_long_text_stays_on_the_page(home, page):
    never_ask(home)
    path = run_named(home, FIRST)
    app = open_page(page, run=path.name, view="head")
    long = "The hen sat on the gate. " * 1000

    def text_box():
        return next(box for box in [*app.text_area, *app.text_input] if box.label == TEXT_BOXES[page])

    text_box().set_value(long).run()
    assert not app.exception
    assert text_box().value == long
    assert "too long for the address" in texts(app)
    assert sum(len(quote(str(value))) for value in app.query_params.values()) < 8000
    app.run()
    assert text_box().value == long
    app.query_params.clear()  # as the sidebar does
    app.switch_page("train.py").run()
    app.switch_page(f"{page}.py").run()
    assert text_box().value == long
    text_box().set_value("The hen").run()
    assert "The hen" in app.query_params.values()
    assert "too long for the address" not in texts(app)


@pytest.mark.parametrize("page", TEXT_BOXES)
def test_a_text_outlasts_a_visit_to_another_page_and_a_link_has_the_last_word(home, page):
    never_ask(home)
    name = "text" if page == "tokenizer" else "prompt"
    path = run_named(home, FIRST)
    app = open_page(page, run=path.name, **{name: "The hen"})

    def text_box():
        return next(box for box in [*app.text_area, *app.text_input] if box.label == TEXT_BOXES[page])

    assert text_box().value == "The hen"
    text_box().set_value("The fox").run()
    app.query_params.clear()
    app.switch_page("home.py").run()
    app.switch_page(f"{page}.py").run()
    assert text_box().value == "The fox" and "The fox" in app.query_params.values()
    app.query_params[name] = "The hen sat"
    app.run()
    assert text_box().value == "The hen sat"


@pytest.mark.parametrize("page", TEXT_BOXES)
def test_a_text_is_kept_where_the_browser_has_not_got_its_address_yet(home, page, monkeypatch):
    never_ask(home)
    name = "text" if page == "tokenizer" else "prompt"
    app = open_page(page, run=run_named(home, FIRST).name, **{name: "The hen"})

    def text_box():
        return next(box for box in [*app.text_area, *app.text_input] if box.label == TEXT_BOXES[page])

    text_box().set_value("The fox").run()
    app.query_params[name] = "The hen"  # a button was pressed at once
    app.run()
    assert text_box().value == "The fox" and "The fox" in app.query_params.values()
    monkeypatch.setattr("components.shared.text_box.ADDRESS_SECONDS", 0)
    app.query_params[name] = "The hen"  # later it is the browser's Back button
    app.run()
    assert text_box().value == "The hen"


def visit_home(app, back):
    """Leave for another page by the sidebar, which empties the address, and come back to this one."""
    for page in ("home", back):
        app.query_params.clear()
        app.switch_page(f"{page}.py").run()
        assert not app.exception


@pytest.mark.parametrize("page", ["generate", "attention", "inside", "code"])
def test_the_run_stays_chosen_over_a_visit_to_another_page(home, page):
    never_ask(home)
    first, second = run_named(home, FIRST), run_named(home, SECOND)
    app = open_page(page)
    assert box(app, "Run").value == second.name
    box(app, "Run").select_index(1).run()
    visit_home(app, page)
    assert box(app, "Run").value == run_in_address(app) == first.name
    app.query_params["run"] = second.name  # a link has the last word
    app.run()
    assert box(app, "Run").value == second.name


def test_the_run_that_was_trained_is_the_one_that_other_pages_show(home):
    first, _ = run_named(home, FIRST), run_named(home, SECOND)
    app = open_page("train", run=first.name)
    app.query_params.clear()
    app.switch_page("generate.py").run()
    assert box(app, "Run").value == first.name


def test_the_controls_of_a_view_stay_over_a_visit_to_another_page_and_a_link_has_the_last_word(home):
    never_ask(home)
    finished_run(home, "gpt")
    app = open_page("attention", layer="1")
    control(app, "button_group", "View").set_value("head").run()
    assert box(app, "Layer").value == "1"
    box(app, "Layer").set_value("0").run()
    box(app, "Head").set_value("2").run()
    control(app, "button_group", "Show").set_value("scores").run()
    visit_home(app, "attention")
    assert (box(app, "Layer").value, box(app, "Head").value) == ("0", "2")
    assert control(app, "button_group", "Show").value == "scores"
    assert app.query_params["layer"] in ("0", ["0"])
    app.query_params["layer"] = "1"
    app.run()
    assert box(app, "Layer").value == "1"


def test_the_tokenizer_page_keeps_its_choices(home):
    run_named(home, FIRST)
    app = open_page("tokenizer")
    control(app, "select_slider", "Vocabulary size of bpe and sentencepiece").set_value(512).run()
    box(app, "Compare with the tokenizer of a run").select_index(1).run()
    visit_home(app, "tokenizer")
    assert control(app, "select_slider", "Vocabulary size of bpe and sentencepiece").value == 512
    assert box(app, "Compare with the tokenizer of a run").value == FIRST


CHOICES = {
    "tokenizer": ("select_slider", "Vocabulary size of bpe and sentencepiece", 512),
    "train": ("button_group", "Tokenizer", "char"),
    "generate": ("number_input", "`temperature`", 0.1),
    "inside": ("button_group", "View", "residual"),
}


@pytest.mark.parametrize("page", CHOICES)
def test_what_one_person_chooses_is_not_another_persons(home, page):
    run_named(home, FIRST)
    kind, label, value = CHOICES[page]
    more = {"new": "1"} if page == "train" else {}
    app = open_page(page, **more)
    control(app, kind, label).set_value(value).run()
    assert not app.exception and control(app, kind, label).value == value
    assert control(open_page(page, **more), kind, label).value != value
