"""The Attention page without a browser: what it asks, shows and stores, and what its routes return."""

import base64
import csv
import io
import json
import re
import threading

import numpy as np
import pytest
import torch
from app_pages import (
    HEN,
    PROJECT,
    TEXT,
    button,
    finished_run,
    never_ask,
    open_page,
    selection_request,
    texts,
    tiny_run,
    unpack,
    view_response,
)
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from components.routes import selection as selection_route
from components.shared import export, head_figures
from components.shared.browser import BrowserComponent
from components.shared.selection import selection_from_request
from components.views.attention_head import ARRAYS
from llm.checkpoints import load_run
from llm.config import ModelConfig, TrainingConfig, describe
from llm.data import TextData
from llm.interpret.copying import copying_scores
from llm.interpret.head_scores import LABELS, head_scores
from llm.interpret.loss_by_position import in_context_score, loss_by_position
from llm.interpret.recording import record
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache


@pytest.fixture
def run(home):
    """A run with two layers of four heads, two to a key/value head, with rotary positions."""
    return finished_run(home, "llama", n_heads=4, n_kv_heads=2, n_ctx=16)


def tokens_of(path, text: str) -> list[int]:
    return load_run(path).tokenizer.encode(text)


def ask(path, *what: str, **query):
    """The answer of the route for the tokens of HEN, unless `tokens` says otherwise."""
    return view_response("attention", path, *what, **query)


def reveal(app):
    button(app, "expect-attention-heads").click().run()
    assert not app.exception
    return app


def caption(app) -> str:
    return next(element.value for element in app.caption if "tokens" in element.value)


def test_without_a_run_the_page_leads_to_training(home):
    assert "No run yet" in texts(open_page("attention"))


def test_each_view_asks_once_for_a_prediction(home):
    path = tiny_run(home)
    app = open_page("attention", run=path.name)
    assert "**What do you expect?**" in texts(app)
    button(app, "expect-attention-heads-A few").click().run()
    assert "**What do you expect?**" not in texts(app)
    assert re.search(r"You expected: \*\*a few\*\*\. Measured: \*\*\d of 1\*\*", texts(app))
    again = open_page("attention", run=path.name)  # after a refresh
    assert "**What do you expect?**" not in texts(again)
    other = open_page("attention", run=path.name, view="head")  # another view, another question
    assert "**What do you expect?**" in texts(other)


def test_never_ask_turns_off_all_questions(home):
    path = tiny_run(home)
    app = open_page("attention", run=path.name)
    button(app, "expect-attention-heads-off").click().run()
    assert "**What do you expect?**" not in texts(open_page("attention", run=path.name, view="head"))
    switch = next(element for element in app.toggle if element.key == "expect-switch")
    assert not switch.value
    switch.set_value(True).run()
    assert "**What do you expect?**" in texts(open_page("attention", run=path.name, view="head"))


def test_a_damaged_file_of_predictions_counts_as_empty(home):
    path = tiny_run(home)
    (home / "expectations.json").write_text('["?"')
    assert "**What do you expect?**" in texts(open_page("attention", run=path.name))


def test_a_link_opens_the_same_view(home, run):
    never_ask(home)
    app = open_page("attention", run=run.name, step="1", prompt="The fox", view="head", layer="1", head="3",
                    matrix="position", rest="1", locked="4.2")  # fmt: skip
    chosen = {box.label: box.value for box in app.selectbox}
    assert (chosen["Step"], chosen["Layer"], chosen["Head"]) == (1, "1", "3")
    assert app.text_area[0].value == "The fox"
    for name, value in {"view": "head", "layer": "1", "head": "3", "matrix": "position", "rest": "1"}.items():
        assert app.query_params[name] == value


def test_a_link_to_a_missing_run_or_view_falls_back_to_an_existing_one(home, run):
    never_ask(home)
    app = open_page("attention", run=run.name, prompt="The fox", view="head", layer="7", head="x", matrix="nothing")
    assert (app.query_params["layer"], app.query_params["head"], app.query_params["matrix"]) == ("0", "0", "pattern")


def test_the_address_keeps_the_selection(home):
    path = tiny_run(home)
    app = reveal(open_page("attention", run=path.name))
    app.text_area[0].set_value("The hen").run()
    assert app.query_params["prompt"] == "The hen"
    assert app.query_params["view"] == "heads"
    assert caption(app).startswith("7 of at most 16 tokens")


def test_tokens_of_the_model_are_appended_one_by_one_and_removed(home):
    path = tiny_run(home)
    app = reveal(open_page("attention", run=path.name, prompt="The hen"))
    loaded = load_run(path)
    ids = loaded.tokenizer.encode("The hen")
    for count in (1, 2):
        button(app, "selection-append").click().run()
        ids.append(int(loaded.model(torch.tensor([ids]))[0, -1].argmax()))
        assert app.query_params["grown"] == ".".join(map(str, ids[7:]))
        assert caption(app) == f"{7 + count} of at most 16 tokens, {count} of them generated by the model."
    app.run()
    button(app, "selection-shrink").click().run()
    assert "grown" not in app.query_params
    assert caption(app).startswith("7 of at most 16 tokens, 0 ")


def test_a_text_longer_than_the_context_is_cut_and_the_page_says_so(home):
    path = tiny_run(home)
    app = reveal(open_page("attention", run=path.name, prompt=TEXT[:100]))
    assert caption(app).endswith("The text has 100; the first 16 are shown.")
    assert button(app, "selection-append").disabled


@pytest.mark.parametrize(
    ("prompt", "message"), [("", "Type a few words"), ("猫", "The char tokenizer does not know '猫'")]
)
def test_a_text_that_cannot_be_read_is_explained(home, prompt, message):
    path = tiny_run(home)
    app = open_page("attention", run=path.name, prompt=prompt)
    assert message in texts(app)


def test_the_grid_is_every_pattern_in_eight_bits(run):
    model = load_run(run).model
    kept = record(model, torch.tensor([tokens_of(run, HEN)]), ["pattern"])
    pattern = torch.cat(list(kept.values()))  # [layer, head, query_pos, key_pos]
    grid = unpack(ask(run, "grid").body)["pattern"]
    np.testing.assert_allclose((grid / 255) ** 2, pattern.detach(), atol=0.005)


def test_scores_are_the_librarys_and_only_high_ones_give_a_name(run):
    loaded = load_run(run)
    expected = head_scores(loaded.model, torch.tensor(loaded.tokenizer.encode(TEXT)))
    data = TextData.from_text(TEXT, loaded.tokenizer, 16)
    copying = copying_scores(loaded.model, *data.evaluation_windows(32))
    result = json.loads(ask(run, "scores").body)
    for name in head_figures.SCORES:
        np.testing.assert_allclose(result[name], getattr(expected, name, copying.copying), rtol=1e-4, atol=1e-6)
    assert result["uniform"] == pytest.approx(expected.uniform | {"copying": copying.uniform})
    for layer, labels in enumerate(result["label"]):
        for head, label in enumerate(labels):
            highest = max(result[name][layer][head] for name in LABELS)
            assert (label is not None) == (highest > 0.5)


def test_without_a_label_the_page_says_what_that_means(run):
    best = json.loads(ask(run, "best").body)
    assert best["head"] is None
    assert re.match(
        r"No head has a score above 0\.5: .* of head \d\.\d; even attention would score 0\.", best["sentence"]
    )


def test_the_page_opens_on_the_best_labelled_head_and_says_what_it_does(home, run, monkeypatch):
    """Heads that were hardly trained have a label only if every score is enough for one."""
    never_ask(home)
    monkeypatch.setattr("llm.interpret.head_scores.LABEL_ABOVE", 0.0)
    scores = head_figures.scores_of(selection_from_request(selection_request("attention", run)))
    _, layer, head = max(
        (score, layer, head)
        for layer, labels in enumerate(scores["label"]) for head, (name, score) in enumerate(labels) if name != "first"
    )  # fmt: skip
    app = open_page("attention", run=run.name, view="head")
    assert (app.query_params["layer"], app.query_params["head"]) == (str(layer), str(head))
    best = json.loads(ask(run, "best").body)
    assert best["head"] == [layer, head]
    assert best["sentence"].startswith((f"In this text, head {layer}.{head} looks at", f"Head {layer}.{head} looks at"))


def test_a_heads_arrays_are_named_in_the_answer(run):
    arrays = unpack(ask(run, "head", layer=1, head=3).body)
    view = head_figures.head_of(selection_from_request(selection_request("attention", run)), 1, 3)
    assert set(arrays) == set(ARRAYS)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, getattr(view, name))


def test_the_context_of_a_snapshot_is_the_librarys(run):
    loaded = load_run(run, 1)
    data = TextData.from_text(TEXT, loaded.tokenizer, 16)
    losses = loss_by_position(loaded.model, *data.evaluation_windows(32))
    result = json.loads(ask(run, "context", "1").body)
    np.testing.assert_allclose(result["by_position"], losses, rtol=1e-5)
    assert result["score"] == pytest.approx(in_context_score(losses).score, rel=1e-4)
    assert result["loss"] == pytest.approx(float(losses.mean()))


def test_a_run_through_training_exports_everything_it_shows(run, home):
    control = tiny_run(home)
    rows = list(csv.DictReader(io.StringIO(ask(run, "training.csv").body.decode())))
    assert [(row["step"], row["layer"], row["head"]) for row in rows[7:10]] == [
        ("0", "1", "3"), ("1", "0", "0"), ("1", "0", "1"),
    ]  # fmt: skip
    page = ask(run, "training.html", control=control.name).body.decode()
    data = json.loads(re.search(r"draw\(\{ data: (\{.*\}), parentElement", page)[1])
    assert data["steps"] == [0, 1, 2]
    assert set(data["sources"]) == {"control"} | {
        f"{what}/{step}" for what in ("grid", "scores", "context") for step in (0, 1, 2)
    }
    embedded = base64.b64decode(data["sources"]["grid/1"].partition("base64,")[2])
    assert embedded == ask(run, "grid", "1").body


def test_through_training_offers_other_runs_of_one_layer_as_controls(home, run):
    never_ask(home)
    (box,) = [
        box for box in open_page("attention", run=run.name, view="training").selectbox if "one-layer" in box.label
    ]
    assert len(box.options) == 1
    tiny_run(home)
    (box,) = [
        box for box in open_page("attention", run=run.name, view="training").selectbox if "one-layer" in box.label
    ]
    assert len(box.options) == 2


def test_the_experiment_is_offered_without_a_control_run(home, run):
    """In words that name the app's own controls: each setting is a field, and the list to compare with is there."""
    never_ask(home)
    app = open_page("attention", run=run.name, view="training")
    (offered,) = [element for element in app.expander if "experiment" in element.label]
    words = offered.markdown[0].value
    fields = describe(ModelConfig) | describe(TrainingConfig)
    assert set(re.findall(r"`([a-z_]+)`", words)) <= set(fields)
    assert "Compare with a one-layer run" in words and any(
        box.label == "Compare with a one-layer run" for box in app.selectbox
    )
    for path in re.findall(r"[a-z]+/[a-z]+\.[a-z]+", words):
        assert (PROJECT / path).exists(), path


def test_csv_holds_every_score_and_every_weight(run):
    rows = list(csv.DictReader(io.StringIO(ask(run, "heads.csv").body.decode())))
    assert [(row["layer"], row["head"], row["kv_head"]) for row in rows[4:8]] == [
        ("1", "0", "0"), ("1", "1", "0"), ("1", "2", "1"), ("1", "3", "1"),
    ]  # fmt: skip
    cells = list(csv.DictReader(io.StringIO(ask(run, "head.csv", layer=1, head=2).body.decode())))
    assert len(cells) == 16 * 17 / 2
    assert json.loads(cells[-1]["key_token"]) == "t"
    assert sum(float(cell["pattern"]) for cell in cells if cell["query_pos"] == "15") == pytest.approx(1, abs=1e-5)


def test_each_layer_is_a_separate_task(run, monkeypatch):
    """So that a training run can take steps in between."""
    selection = selection_from_request(selection_request("attention", run))
    selection.run()
    tasks, submit = [], compute.submit
    monkeypatch.setattr(compute, "submit", lambda *arguments: tasks.append(arguments) or submit(*arguments))
    head_figures.grid_bytes(selection)
    assert len(tasks) >= selection.run().config.n_layers


@pytest.mark.parametrize("what", ["heads.html", "head.html"])
def test_an_exported_page_holds_its_numbers_and_fetches_nothing(run, what):
    page = ask(run, what, layer=1, head=3).body.decode()
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    data = json.loads(re.search(r"draw\(\{ data: (\{.*\}), parentElement", page)[1])
    name = "grid" if what == "heads.html" else "head"
    embedded = base64.b64decode(data["sources"][name].partition("base64,")[2])
    assert embedded == ask(run, name, layer=1, head=3).body


@given(st.text())
def test_no_text_ends_the_script_of_an_exported_page(text):
    component = BrowserComponent("tokens", "views/tokens/view.js")
    page = export.standalone(component, text, text, {"labels": [text, "</script><img src=x>"]}, {}, ()).decode()
    assert page.count("<script") == page.count("</script>") == 2  # the import map, and what draws
    assert "<img" not in page
    literal = re.search(r"draw\(\{ data: (.*), parentElement", page)[1]
    assert json.loads(literal)["labels"][0] == text


@given(st.lists(st.text()))
def test_texts_survive_csv_and_none_starts_a_formula(words):
    rows = list(csv.reader(io.StringIO(export.csv_text(["word"], [[word] for word in words]), newline="")))
    assert [json.loads(row[0]) for row in rows[1:]] == words
    assert all(row[0].startswith('"') for row in rows[1:])


@pytest.mark.parametrize(
    ("what", "step", "query", "status", "message"),
    [
        ("grid", "end", {"tokens": "1.x"}, 400, "tokens must be 1 to 512 token ids"),
        ("grid", "end", {"tokens": ".".join(["1"] * 513)}, 400, "tokens must be 1 to 512 token ids"),
        ("grid", "end", {"tokens": ".".join(["1"] * 17)}, 400, "17 tokens are too many"),
        ("grid", "end", {"tokens": "99999"}, 400, "token 99999 is not in the vocabulary"),
        ("grid", "end", {"own": "x"}, 400, "own must be an integer of 0 or more, got 'x'"),
        ("grid", "7", {}, 400, "has no weights of step 7"),
        ("grid", "../1", {}, 404, "There is no such step"),
        ("head", "end", {"layer": "2"}, 400, "layer must be in 0 to 1, the layers of this model, got 2"),
        ("head", "end", {"head": "4"}, 400, "head 4 does not exist"),
        ("head", "end", {"head": "-1"}, 400, "head must be an integer of 0 or more, got '-1'"),
        ("training.html", "end", {"control": "../x"}, 400, "control must be the name of a run, got '../x'"),
        ("nothing", "end", {}, 404, "There is no such view"),
    ],
)
def test_bad_addresses_are_refused_with_a_message(run, what, step, query, status, message):
    with pytest.raises(HTTPException, match=re.escape(message)) as refused:
        ask(run, what, step, **query)
    assert refused.value.status_code == status


def test_weights_that_diverged_are_reported(run):
    loaded = load_run(run)
    with torch.no_grad():
        loaded.model.blocks[0].attention.W_Q.fill_(torch.nan)
    loaded.folder.save_model("final", loaded.model, loaded.step)
    with pytest.raises(HTTPException, match="the weights diverged"):
        ask(run, "scores")


@pytest.mark.parametrize("name", ["20200101000000", "../secrets"])
def test_an_address_without_a_run_is_refused(run, name):
    with pytest.raises(HTTPException, match="There is no such run"):
        params = {"run_id": name, "step": "end", "page": "attention", "what": "grid"}
        selection_route(Request({"type": "http", "path_params": params, "query_string": b"tokens=1", "headers": []}))


def test_a_result_is_computed_once_for_all_requests_and_a_failure_is_retried():
    kept: ResultCache[int] = ResultCache(2)
    begun, made = threading.Event(), []

    def make() -> int:
        made.append(1)
        begun.wait(10)
        return 5

    threads = [threading.Thread(target=lambda: kept.get("key", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.set()
    for thread in threads:
        thread.join(10)
    assert made == [1]

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get("other", fail)
    assert kept.get("other", lambda: 7) == 7
    kept.get("third", lambda: 8)  # now the first is one too many
    assert kept.get("key", lambda: 9) == 9
