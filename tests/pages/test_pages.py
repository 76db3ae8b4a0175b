"""Each page without a browser: without runs, with runs, and with damaged ones."""

import os
import subprocess
import sys

import pytest
from app_pages import TEXT, button, newest_text, open_page, texts, tiny_run
from run_folders import change_config
from streamlit.testing.v1 import AppTest

from components.shared.uploads import store
from components.views.merges import replay_data
from llm import TrainingConfig, preset
from llm.background import trainings
from llm.checkpoints import RunFolder, list_runs
from llm.data import train_tokenizer
from llm.tokenizers.replay import replay_encoding
from llm.training.new_run import NewRun


def test_home_of_a_new_user_leads_to_a_first_run(home):
    app = open_page("home")
    assert "None yet" in texts(app)
    button(app, "home-train").click().run()
    assert not app.exception
    (run,) = trainings.active()
    assert run.wait("running", timeout=60)
    assert RunFolder(run.folder.path).config().raw["architecture"] == "gpt"
    trainings.stop_all()


def test_home_lists_the_latest_runs(home):
    path = tiny_run(home)
    (run,) = list_runs(path.parent)
    app = open_page("home")
    assert run.label in texts(app)
    assert "finished" in texts(app)


def test_presets_are_compared_as_the_address_says_and_a_wrong_name_is_said(home):
    app = open_page("presets", presets="gpt.gpt2")
    assert not app.exception and "1 settings differ" not in texts(app) and "1 setting differs" in texts(app)
    app = open_page("presets", presets="gpt.bert")
    assert not app.exception
    assert "This link does not name presets as it should" in texts(app)
    assert [note.value for note in app.info] == ["Choose two presets or more."]


def test_train_page_offers_every_field_with_its_help(home):
    from llm.config import ModelConfig, TrainingConfig, describe

    app = open_page("train")
    controls = [*app.number_input, *app.selectbox, *app.toggle, *app.text_input]
    offered = {control.label.split("`")[-2:][0]: control for control in controls}
    for config in (ModelConfig, TrainingConfig):
        for name, field in describe(config).items():
            if name != "d_vocab":
                assert offered[name].help == field.help


def test_train_page_reports_invalid_settings_and_disables_start(home):
    app = open_page("train")
    n_heads = next(control for control in app.number_input if control.label.endswith("`n_kv_heads`"))
    n_heads.set_value(3).run()
    assert not app.exception
    assert "n_kv_heads must be a divisor of n_heads=4, got 3" in texts(app)
    assert not [element for element in app.button if element.key == "train-start"]


def test_train_page_refuses_what_the_machine_has_no_memory_for(home):
    app = open_page("train")
    assert "GB in this machine" in texts(app) and "on this machine: a step takes" in texts(app)
    for name, value in (("d_model", 40_960), ("n_layers", 100)):
        next(control for control in app.number_input if control.label.endswith(f"`{name}`")).set_value(value)
    app.run()
    assert not app.exception
    refusal = "or lower Context length (n_ctx) under All model settings, or Windows in a batch (batch_size)."
    assert texts(app).count("Training this model takes about") == texts(app).count(refusal) == 2  # also by the fields
    assert not [element for element in app.button if element.key == "train-start"]


def test_the_form_follows_the_end_of_a_run(home):
    config = preset("gpt", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=8)
    run = trainings.start(NewRun(config, TrainingConfig(steps=100_000, device="cpu"), "char", TEXT, "hens.txt",
                                 home / "checkpoints"))  # fmt: skip
    app = open_page("train", new="1")
    assert f"(run {run.id}) is" in texts(app)
    run.stop()
    assert run.wait("stopped")

    def page(run_id):
        import streamlit as st

        from components.run_controls import rerun_after

        st.session_state.turns = st.session_state.get("turns", 0) + 1
        if st.session_state.turns < 3:
            rerun_after(run_id)

    assert AppTest.from_function(page, kwargs={"run_id": run.id}).run().session_state.turns == 3
    assert not app.run().info


def test_a_long_step_is_measured_when_asked(home):
    app = open_page("train")
    next(control for control in app.number_input if control.label.endswith("`batch_size`")).set_value(200).run()
    assert "a step takes" not in texts(app)
    button(app, "train-pace").click().run()
    assert not app.exception and "a step takes" in texts(app)


def test_a_card_changes_the_recipe(home):
    app = open_page("train")
    button(app, "train-choose-llama").click().run()
    positional = next(control for control in app.selectbox if control.label.endswith("`positional`"))
    assert positional.value == "rope"
    assert "**LLaMA small**" in texts(app)


def test_train_page_starts_pauses_steps_resumes_and_stops(home):
    app = open_page("train")
    button(app, "train-start").click().run()
    (run,) = trainings.active()
    assert app.query_params["run"] == run.id
    assert run.wait("running", timeout=60)
    app.run()
    button(app, "train-pause").click().run()
    assert run.wait("paused", timeout=60)
    step = run.trainer.step
    app.run()
    button(app, "train-step").click().run()
    assert run.wait("paused", timeout=60)
    assert run.trainer.step == step + 1
    button(app, "train-resume").click().run()
    assert run.wait("running", timeout=60)
    app.run()
    button(app, "train-stop").click().run()
    assert run.wait("stopped", timeout=60)
    app.run()
    assert not app.exception
    assert {element.key for element in app.button} >= {"train-resume", "train-generate", "train-new"}


HOLD = "import sys; from llm.runtime.lock import *; held = ProcessLock(Path(sys.argv[1])); print(flush=True); input()"


def test_a_run_that_another_process_trains_is_resumed_only_once_that_one_has_ended(home):
    path = tiny_run(home)
    change_config(path, lambda config: config["training"].update(steps=6))
    RunFolder(path).write_status("stopped", "", 3)
    before = (path / "metrics.jsonl").read_bytes()
    app = open_page("train", run=path.name)
    with subprocess.Popen([sys.executable, "-c", HOLD, path / "training.lock"], stdin=-1, stdout=-1) as other:
        assert other.stdout.readline() == b"\n"
        button(app, "train-resume").click().run()
        assert f"is being trained in another process (pid {other.pid}): stop it there" in texts(app)
        assert (path / "metrics.jsonl").read_bytes() == before and trainings.get(path.name) is None
        other.kill()
    button(app, "train-resume").click().run()
    assert trainings.get(path.name).wait("finished", timeout=60)
    assert RunFolder(path).status().step == 6


@pytest.mark.parametrize("run", ["20200101000000", "../../etc", "<img src=x onerror=alert(1)>"])
def test_a_link_to_a_missing_run_says_so(home, run):
    app = open_page("train", run=run)
    assert f"There is no run {run}" in texts(app)


@pytest.mark.parametrize("page", ["train", "generate"])
def test_a_damaged_run_is_explained(home, page):
    path = tiny_run(home)
    (path / "config.json").write_text('{"model": {"d_vocab": 3}}')
    app = open_page(page, run=path.name)
    expected = "damaged" if page == "train" else "No run yet"
    assert expected in texts(app)


def test_generate_without_a_run_leads_to_training(home):
    app = open_page("generate")
    assert "No run yet" in texts(app)


def test_generate_writes_and_keeps_a_text(home):
    path = tiny_run(home)
    app = open_page("generate", run=path.name, prompt="The hen")
    tokens = next(control for control in app.number_input if control.label.endswith("`max_new_tokens`"))
    tokens.set_value(5).run()
    button(app, "generate-start").click().run()
    assert not app.exception
    generation = newest_text(path)
    generation.thread.join(60)
    assert (generation.state, len(generation.tokens)) == ("finished", 5)
    app.session_state["generate-kept"] = True  # opened by hand
    app.run()
    assert generation.text.startswith("The hen")
    assert generation.text.rstrip() in texts(app)  # among the texts kept of this run


def test_generate_begins_with_the_prompt_of_the_runs_own_samples(home):
    path = tiny_run(home)
    app = open_page("generate", run=path.name)
    prompt = next(area for area in app.text_area if area.label == "Prompt")
    assert prompt.value and TEXT.count(prompt.value) > 0


def test_generate_opens_the_step_that_the_address_names(home):
    path = tiny_run(home)
    app = open_page("generate", run=path.name, step="2")
    step = next(box for box in app.selectbox if box.label == "Step")
    assert step.value == 2


def test_generate_refuses_an_invalid_value(home):
    path = tiny_run(home)
    app = open_page("generate", run=path.name)
    heat = next(control for control in app.number_input if control.label.endswith("`temperature`"))
    heat.set_value(-1.0).run()
    assert "temperature must be at least 0, got -1.0" in texts(app)
    assert not [element for element in app.button if element.key == "generate-start"]


def test_tokenizer_page_counts_each_tokenizers_pieces(home):
    app = open_page("tokenizer", text="The hen")
    message = texts(app)
    assert "**7** tokens, 1.00 characters each" in message  # char
    for kind in ("char", "bpe", "sentencepiece", "gpt2"):
        assert kind in message


def test_tokenizer_page_reports_an_unknown_character_beside_tokenizers_that_know_it(home):
    app = open_page("tokenizer", text="猫")
    message = texts(app)
    assert "The char tokenizer does not know '猫' (U+732B)" in message
    assert "**3** tokens" in message  # bpe: its three bytes


def test_a_text_is_replayed_merge_by_merge_to_its_tokens(home):
    shown = replay_data(replay_encoding(train_tokenizer("bpe", TEXT, 300), "the fox, the hen"), training=False)
    assert shown["chunks"][0] == tuple(b"the")
    first = shown["steps"][0]
    left, right, occurrences, merge, trained = first["pairs"][0]
    assert (bytes([left, right]), occurrences, merge, trained) == (b"he", 3, 1, None)
    assert shown["texts"][str(first["made"])] == "he"
    assert [step["made"] for step in shown["steps"]][-1] is None
    app = open_page("tokenizer", view="merges", text="the fox, the hen " * 100)
    assert "The first 400 characters are replayed" in texts(app)
    next(group for group in app.get("button_group") if group.label == "Replay").set_value("training").run()
    assert not app.exception and not [box for box in app.get("button_group") if box.label == "Tokenizer"]


@pytest.mark.parametrize("kind", ["char", "sentencepiece"])
def test_a_tokenizer_without_merges_says_that_there_is_nothing_to_replay(home, kind):
    app = open_page("tokenizer", view="merges", tokenizer=kind)
    assert f"The {kind} tokenizer merges nothing, so there is nothing to replay" in texts(app)


def test_a_vocabulary_is_searched_and_sorted(home):
    app = open_page("tokenizer", view="vocabulary")
    rows = app.dataframe[0].value
    assert len(rows) == 2048 and list(rows["frequency"]) == sorted(rows["frequency"], reverse=True)
    next(box for box in app.text_input if box.label == "Search").set_value(" the").run()
    rows = app.dataframe[0].value
    assert "·the" in list(rows["token"]) and all("·the" in token for token in rows["token"])
    row = rows[rows["token"] == "·the"].iloc[0]
    assert (row["merged"], row["length"], row["bytes"]) == ("·t + he", 4, "20 74 68 65") and "⟦·the⟧" in row["example"]
    assert f"{len(rows)} of 2,048 tokens" in texts(app)
    path = tiny_run(home)
    app = open_page("tokenizer", view="vocabulary")
    next(box for box in app.selectbox if box.label == "Compare with the tokenizer of a run").select_index(1).run()
    next(group for group in app.get("button_group") if group.label == "Tokenizer").set_value(path.name).run()
    assert set(app.dataframe[0].value["token"]) >= set("Thehen&")


def test_the_same_message_is_counted_in_every_language(home):
    app = open_page("tokenizer", view="languages")
    rows = app.dataframe[0].value.set_index("language")
    assert rows.loc["English", "char"] == len(rows.loc["English", "text"])
    assert rows.loc["Hindi", "bpe"] > 2 * rows.loc["English", "bpe"]
    assert rows["char"].isna()["Chinese"]
    next(group for group in app.get("button_group") if group.label == "Show").set_value("english").run()
    assert app.dataframe[0].value.set_index("language").loc["English", "bpe"] == 1
    assert "gpt2: GPT-2's tokenizer file could not be fetched" in texts(app) or "gpt2" in rows


def test_no_page_lets_a_text_become_markup(home):
    """Texts from outside are shown verbatim, never as markdown."""
    evil = "<img src=x onerror=alert(1)> **bold** :red[red]"
    path = tiny_run(home)
    RunFolder(path).append_sample(
        {"step": 3, "prompt": evil, "text": evil, "sampling": {"temperature": 1.0}, "created": 0.0}
    )
    app = open_page("generate", run=path.name, prompt=evil)
    app.session_state["generate-kept"] = True  # opened by hand
    app.run()
    assert evil in [text.value for text in app.text]
    assert not [element for kind in ("markdown", "caption") for element in app.get(kind) if "<img" in element.value]


def test_texts_of_any_name_can_be_chosen(home):
    uploads = home / "uploads"
    uploads.mkdir()
    for name in ("caf\udce9.txt", "x" * 251 + ".txt"):
        (uploads / name).write_text(TEXT)
    app = open_page("train")
    box = next(box for box in app.selectbox if box.label == "Text")
    assert r"caf\xe9.txt" in box.options and "x" * 251 + ".txt" in box.options


def test_uploads_with_the_longest_name_are_all_stored(home):
    name = "é" * 125 + "x.txt"  # 255 bytes
    paths = [store(name, content.encode()) for content in (TEXT, TEXT + "2", TEXT)]
    assert [path.read_bytes() for path in paths] == [TEXT.encode(), (TEXT + "2").encode(), TEXT.encode()]
    assert paths[0] == paths[2] and len(os.fsencode(paths[1].name)) <= 255


def test_a_prompt_from_an_address_is_read_as_a_file_is(home):
    run = tiny_run(home)
    app = open_page("generate", run=run.name, prompt="\ufeffThe\r\nhen")
    button(app, "generate-start").click().run()
    assert not app.exception
    generation = newest_text(run)
    generation.thread.join()
    assert generation.prompt == "The\nhen" and generation.state == "finished"
