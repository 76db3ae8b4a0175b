"""The page Runs: find a run, open it, name it, duplicate, delete and restore it."""

import io
import json
import shutil
import zlib

import pandas as pd
import pytest
import streamlit as st
from app_pages import PROJECT, TEXT, button, never_ask, open_page, texts, tiny_run
from run_folders import change_config, new_run
from streamlit.testing.v1 import AppTest

from components.run_archive import archived, converted
from components.run_card import _delete
from components.run_table import CURVE, DEFAULT, OPEN, TITLE, _columns
from components.shared.column_names import heading
from llm.checkpoints import RunFolder, RunNotes, deleted_runs, list_runs
from llm.runs.task_metrics import TaskMetric, write_task_metrics
from llm.training.description import text_sha256

FIRST, SECOND, DAMAGED = "20260131120001", "20260131120002", "20000101000000"


@pytest.fixture
def runs(home):
    """Two runs, one of them with another position scheme, and a damaged one; their folder."""
    path = tiny_run(home)
    checkpoints = path.parent
    path.rename(checkpoints / FIRST)
    shutil.copytree(checkpoints / FIRST, checkpoints / SECOND)
    change_config(checkpoints / SECOND, lambda config: config["model"].update(positional="alibi"))
    RunFolder(checkpoints / FIRST).write_notes(RunNotes("The first", "a baseline", ("good",)))
    (checkpoints / DAMAGED).mkdir()
    (checkpoints / DAMAGED / "config.json").write_text("{")
    return checkpoints


def table(app):
    """What the table shows, by run; names without what fills their cells."""
    shown = app.dataframe[0].value.set_index("id")
    return shown.assign(**{TITLE: shown[TITLE].str.rstrip()})


def control(app, kind, label):
    return next(control for control in app.get(kind) if control.label == label)


def test_a_new_user_is_led_to_a_first_run(home):
    app = open_page("runs")
    assert "No run yet" in texts(app) and not app.dataframe


def test_the_table_has_a_row_for_every_run_and_says_what_differs(runs):
    app = open_page("runs")
    shown = table(app)
    assert list(shown.index) == [SECOND, FIRST, DAMAGED]
    assert list(shown[TITLE][:2]) == [list_runs(runs)[0].model, "The first"]
    assert "alibi" in list_runs(runs)[0].label
    assert len(shown[CURVE][FIRST]) == 3 and list(shown[CURVE][DAMAGED]) == []
    assert shown["model.n_layers"][FIRST] == 1 and "3 of 3 runs" in texts(app)
    assert list(app.dataframe[0].proto.column_order) == [TITLE, *DEFAULT]


def test_any_setting_can_be_a_column_and_a_link_keeps_it(runs):
    app = open_page("runs")
    control(app, "multiselect", "Columns of the table").set_value(["loss", "model.positional"]).run()
    assert list(app.dataframe[0].proto.column_order) == [TITLE, "model.positional", "loss"]  # what is added is in view
    assert app.query_params["columns"] == "loss,model.positional"
    other = open_page("runs", columns="training.seed,nonsense", search="alibi")
    assert list(other.dataframe[0].proto.column_order) == [TITLE, "training.seed"]
    assert list(table(other).index) == [SECOND]


@pytest.mark.parametrize(
    ("words", "expected"),
    [("baseline", [FIRST]), ("GOOD first", [FIRST]), ("damaged", [DAMAGED]), ("gpt alibi n_layers", [SECOND]),
     ("[", [DAMAGED]), ("zebra", [])],
)  # fmt: skip
def test_search_finds_runs_by_label_note_and_tag(runs, words, expected):
    if words == "[":  # no regular expression
        (runs / DAMAGED / "config.json").write_text('{"model": {"d_vocab": []}, "training": {}}')
    app = open_page("runs", search=words)
    assert list(table(app).index) == expected


def test_runs_are_filtered_by_any_column(runs):
    app = open_page("runs")
    control(app, "multiselect", "Filter by").set_value(["model.positional", "tags", "loss"]).run()
    control(app, "multiselect", "Position scheme `model.positional`").set_value(["alibi"]).run()
    assert list(table(app).index) == [SECOND] and "Filter: Position scheme: alibi" in texts(app)
    control(app, "multiselect", "Position scheme `model.positional`").set_value([]).run()
    assert "Filter: " not in texts(app)
    control(app, "multiselect", "Tags").set_value(["good"]).run()
    assert list(table(app).index) == [FIRST]
    control(app, "multiselect", "Tags").set_value([]).run()
    control(app, "number_input", "Validation loss from").set_value(0.5).run()
    assert list(table(app).index) == [SECOND, FIRST] and "Filter: Validation loss: from 0.5" in texts(app)
    control(app, "number_input", "Validation loss to").set_value(0.6).run()
    assert list(table(app).index) == [] and not app.exception


def test_every_column_is_found_by_its_plain_name_and_by_its_own(runs):
    app = open_page("runs", columns="model.n_layers,training.seed")
    choice = control(app, "multiselect", "Columns of the table")
    assert {"Blocks · model.n_layers", "Seed · training.seed", "Accuracy · evaluation.accuracy", "Text"} <= set(
        choice.options
    )
    assert len(set(choice.options)) == len(choice.options)
    shown = json.loads(app.dataframe[0].proto.columns)
    assert (shown["model.n_layers"]["label"], shown["training.seed"]["label"]) == ("Blocks", "Seed")
    assert shown["model.n_layers"]["help"].startswith("n_layers: ")
    assert heading("skills.counting") == "Skill: counting on" and heading("model") == "Model"


def test_an_accuracy_on_a_skill_is_in_percent_as_in_a_comparison():
    columns = _columns(pd.DataFrame({"id": ["a"], "skills.counting": [0.7], "loss": [0.5]}), [], ["a"])
    assert columns["skills.counting"]["type_config"]["format"] == "percent"


def ticked_rows(app):
    key = f"runs-table-{zlib.crc32(''.join(app.dataframe[0].value['id']).encode()):x}"
    return app.session_state[key]["selection"]["rows"]


def compare_links(app):
    return [link.proto for link in app.get("page_link") if link.proto.label.startswith("Compare these")]


def test_ticked_runs_are_compared_also_those_that_a_search_hides(runs):
    app = open_page("runs", search="alibi")
    app.session_state["runs-ticked"] = [FIRST, DAMAGED]
    app.run()
    assert "1 ticked: tick another one" in texts(app) and compare_links(app) == []
    app.session_state["runs-ticked"] = [FIRST, SECOND, "20260131129999"]
    app.run()
    [link] = compare_links(app)
    assert link.label == "Compare these 2" and f"{SECOND}.{FIRST}" in link.query_string
    assert ticked_rows(app) == [0]
    button(app, "runs-untick").click().run()
    assert compare_links(app) == [] and not app.exception
    for number in range(9):
        shutil.copytree(runs / FIRST, runs / f"2026013112010{number}")
    app.session_state["runs-ticked"] = [f"2026013112010{number}" for number in range(9)]
    app.run()
    assert "9 ticked: at most 8 can be compared" in texts(app) and compare_links(app) == []


def test_the_intact_runs_that_are_left_can_be_compared(runs):
    [link] = compare_links(open_page("runs"))
    assert link.label == "Compare these 2" and f"{SECOND}.{FIRST}" in link.query_string
    assert compare_links(open_page("runs", search="alibi")) == []


def test_a_run_is_opened_from_the_list_and_marked_in_the_table(runs):
    app = open_page("runs")
    app.selectbox[0].select_index(1).run()
    assert app.query_params["run"] in (FIRST, [FIRST])
    assert ticked_rows(app) == []
    assert list(table(app)[TITLE][:2]) == [list_runs(runs)[0].title, f"{OPEN}The first"]
    assert "There is no run 20260131120009" in texts(open_page("runs", run="20260131120009"))


def test_the_list_follows_the_search_and_an_open_run_that_it_hides_is_reported(runs):
    app = open_page("runs", search="alibi")
    assert len(app.selectbox[0].options) == 1 and not app.warning
    hidden = open_page("runs", search="alibi", run=FIRST)
    assert len(hidden.selectbox[0].options) == 2 and "not in the table above" in hidden.warning[0].value


def test_a_run_is_named_and_stands_under_its_name_everywhere(home, runs):
    app = open_page("runs", run=SECOND)
    control(app, "text_input", "Name").set_value("With ALiBi")
    control(app, "multiselect", "Tags").set_value([])
    control(app, "text_area", "Note").set_value("line one\nline two")
    next(button for button in app.button if button.label == "Save").click().run()
    assert RunFolder(runs / SECOND).notes() == RunNotes("With ALiBi", "line one\nline two")
    assert table(app)[TITLE][SECOND] == f"{OPEN}With ALiBi" and [toast.value for toast in app.toast] == ["Saved"]
    for page in ("home", "generate", "train"):
        shown = open_page(page, **({"new": "1"} if page == "train" else {}))
        labels = texts(shown) + "".join(option for box in shown.selectbox for option in box.options)
        assert "With ALiBi · gpt small" in labels
    never_ask(home)
    for page in ("attention", "tokenizer"):  # whose charts and columns name it too
        app = open_page(page, run=FIRST)
        if page == "tokenizer":
            control(app, "selectbox", "Compare with the tokenizer of a run").select_index(2).run()
        shown = texts(app) + "".join(part.proto.json for part in app.get("bidi_component"))
        assert f"The first (run {FIRST})" in shown.replace("\\", ""), page


def test_a_damaged_run_is_explained_and_can_be_deleted(runs):
    app = open_page("runs", run=DAMAGED)
    assert "config.json is damaged" in texts(app)
    button(app, "runs-delete").click().run()
    assert [run.id for run in deleted_runs(runs)] == [DAMAGED]


def test_a_deleted_run_is_restored_at_once_or_after_a_reload(runs):
    app = open_page("runs", run=FIRST)
    button(app, "runs-delete").click().run()
    assert list(table(app).index) == [SECOND, DAMAGED] and f"The first (run {FIRST}) is deleted." in texts(app)
    button(app, "runs-undo").click().run()
    assert list(table(app).index) == [SECOND, FIRST, DAMAGED] and app.query_params["run"] in (FIRST, [FIRST])
    button(app, "runs-delete").click().run()
    reloaded = open_page("runs")
    button(reloaded, f"runs-restore-{FIRST}").click().run()
    assert FIRST in table(reloaded).index and deleted_runs(runs) == []


def test_a_deleted_run_can_be_removed_for_good(runs):
    app = open_page("runs", run=FIRST)
    button(app, "runs-delete").click().run()
    button(app, f"runs-remove-{FIRST}").click().run()
    assert deleted_runs(runs) == [] and not (runs / FIRST).exists() and not app.exception


def test_a_run_that_trains_is_not_deleted(home):
    folder = new_run(home / "checkpoints")
    app = open_page("runs", run=folder.id)
    button(app, "runs-delete").click().run()
    assert f"run {folder.id} is being trained: stop it" in texts(app) and folder.path.exists()


def test_visitors_from_elsewhere_delete_nothing(runs, monkeypatch):
    monkeypatch.setattr(st, "get_option", lambda name: "0.0.0.0" if name == "server.address" else None)
    app = open_page("runs", run=FIRST)
    assert button(app, "runs-delete").disabled
    _delete(list_runs(runs)[0])  # as a forged message of a browser has it called
    assert len(list_runs(runs)) == 3


def test_the_form_takes_every_setting_of_a_run(home):
    path = tiny_run(
        home, 7, optimizer="adamw", learning_rate=0.004, seed=5, schedule="constant", grad_clip=0.5, batch_size=3
    )
    split = {"validation_fraction": 0.2, "test_fraction": 0.1, "split_by": "characters"}

    def change(config):
        config["model"].update(positional="alibi", norm_eps=0.001, qk_norm=True)
        config["text"]["split"] = split

    change_config(path, change)
    app = open_page("runs", run=path.name)
    button(app, "runs-duplicate").click().run()
    app.switch_page("train.py")
    app.query_params["new"] = "1"
    app.run()
    assert not app.exception
    config = json.loads((path / "config.json").read_text())
    boxes = [box for kind in ("number_input", "selectbox", "toggle", "text_input") for box in app.get(kind)]
    controls = {box.label[box.label.find("`") :]: box.value for box in boxes}
    for part in ("model", "training"):
        for name, value in config[part].items():
            if name != "d_vocab":
                assert controls[f"`{name}`"] == value, name
    assert {name: controls[f"`{name}`"] for name in split} == split
    assert app.session_state["train-tokenizer"] == "char" and app.session_state["train-architecture"] == "gpt"
    text = app.session_state["train-text"]
    assert text == home / "uploads" / "hens.txt" and text.read_text() == TEXT
    (home / "uploads" / "hens.txt").write_text("another text of this name")
    app = open_page("runs", run=path.name)
    button(app, "runs-duplicate").click().run()
    assert app.session_state["train-text"].read_text() == TEXT


def test_of_a_run_with_a_large_text_all_but_the_text_is_taken(home):
    path = tiny_run(home, 7)
    (path / "text.txt").unlink()
    change_config(path, lambda config: config["text"].update(cache={"folder": "0" * 16, "sha256": ""}))
    app = open_page("runs", run=path.name)
    assert "too large for the form" in button(app, "runs-duplicate").help
    button(app, "runs-duplicate").click().run()
    assert app.session_state["train-text"] == PROJECT / "training.txt" and not (home / "uploads").exists()
    assert app.session_state["train-training-steps-450"] == 7


def test_a_run_of_a_built_in_text_uses_it(home):
    path = tiny_run(home)
    shutil.copy(PROJECT / "strangers.txt", path / "text.txt")
    change_config(path, lambda config: config["text"].update(name="strangers.txt"))
    app = open_page("runs", run=path.name)
    button(app, "runs-duplicate").click().run()
    assert app.session_state["train-text"] == PROJECT / "strangers.txt" and not (home / "uploads").exists()


@pytest.mark.parametrize("name, same", [("strangers.txt", True), ("strangers.txt", False), ("hens.txt", True)])
def test_of_a_run_that_came_without_its_text_the_settings_are_taken(home, name, same):
    """A built-in text of the same name and hash is chosen, else the chosen text stays; the form says which."""
    path = tiny_run(home, 7)
    (path / "text.txt").unlink()
    sha256 = text_sha256((PROJECT / "strangers.txt").read_text()) if same else "0" * 64
    change_config(path, lambda config: config["text"].update(name=name, sha256=sha256))
    app = open_page("runs", run=path.name)
    assert "it came without its text" in button(app, "runs-duplicate").help
    button(app, "runs-duplicate").click().run()
    app.switch_page("train.py")
    app.query_params["new"] = "1"
    app.run()
    found = name == "strangers.txt" and same
    assert not app.exception and "did not work" not in texts(app)
    assert app.session_state["train-text"] == PROJECT / ("strangers.txt" if found else "training.txt")
    assert app.session_state["train-training-steps-450"] == 7
    said = "strangers.txt is the same text" if found else "the text below is the one that was chosen before"
    assert "The settings below are those of gpt" in texts(app) and said in texts(app)


def test_a_run_is_exported_and_imported_again(runs):
    app = open_page("runs", run=FIRST)
    assert [element.proto.label for element in app.get("download_button")] == ["Download"]
    packed = archived(runs / FIRST, snapshots=True, text=True)
    shutil.rmtree(runs / FIRST)

    def page(packed):
        import streamlit as st

        from components.run_archive import imported

        if "run" not in st.query_params:  # opened, and run again
            imported(packed, "a file")

    imported = AppTest.from_function(page, kwargs={"packed": packed}).run()
    assert not imported.exception and imported.query_params["run"] == FIRST
    assert table(open_page("runs"))[TITLE][FIRST] == "The first"

    def page_beside(packed):
        import streamlit as st

        from components.run_archive import imported, say_imported

        if "run" not in st.query_params:
            imported(packed, "a file")
        say_imported()

    packed.seek(0)
    beside = AppTest.from_function(page_beside, kwargs={"packed": packed}).run()
    copy = beside.query_params["run"]
    assert f"Imported as The first (run {copy})" in texts(beside) and f"There was a run {FIRST} already" in texts(
        beside
    )
    assert "imported" in RunFolder(runs / copy).notes().tags
    beside.query_params["run"] = FIRST  # another run is opened
    assert "Imported as" not in texts(beside.run())

    refused = AppTest.from_function(page, kwargs={"packed": io.BytesIO(b"no zip file")}).run()
    assert not refused.exception and "this is not a readable zip file" in texts(refused)


def test_a_model_is_exported_for_transformers_and_imported_from_where_the_zip_file_is(runs):
    app = open_page("runs", run=FIRST)
    app.segmented_control[0].set_value("hf").run()
    button(app, f"runs-prepare-{FIRST}").click().run()
    assert not app.exception and "AutoModelForCausalLM and AutoTokenizer" in texts(app)
    assert [element.proto.label[:10] for element in app.get("download_button")] == ["Download, "]
    name, content, _ = converted(runs / FIRST, "hf")
    (runs.parent / name).write_bytes(content)

    def import_from(path):
        next(box for box in app.text_input if box.key == "runs-where").set_value(str(path))
        next(element for element in app.button if element.label == "Import").click().run()
        assert not app.exception

    import_from(runs.parent / name)
    opened = next(run for run in list_runs(runs) if run.id == app.query_params["run"])
    assert opened.label.startswith(f"{FIRST}-hf · imported gpt2")
    import_from(runs.parent / "not there.zip")
    assert "not there.zip" in texts(app)


def test_without_weights_there_is_nothing_to_export(runs):
    for name in ("best_model.safetensors", "final_model.safetensors"):
        (runs / FIRST / name).unlink(missing_ok=True)
    app = open_page("runs", run=FIRST)
    assert next(element for element in app.button if element.label == "Export").disabled


def test_an_open_run_shows_what_tasks_measured_and_else_how_to_measure(runs):
    app = open_page("runs", run=FIRST)
    assert any("--tasks story_world" in code.value for code in app.code)
    metric = TaskMetric(3, "<b>x</b>", "acc", 0.5, 0.125, 50)
    write_task_metrics(RunFolder(runs / FIRST).tasks_file, [metric])
    app = open_page("runs", run=FIRST)
    assert not app.exception and not any("--tasks" in code.value for code in app.code)
    shown = app.dataframe[-1].value
    assert shown.iloc[0].tolist() == [3, "<b>x</b>", "acc", "0.500 ± 0.125", 50]
