"""Views of a whole run, on the Train page: closed they cost nothing, open they show what the run recorded."""

import base64
import csv
import io
import json
import math
import re
import shutil
import sys

import pytest
from app_pages import button, finished_run, never_ask, open_page, run_request, texts, tiny_run, view_response
from run_folders import change_config
from starlette.exceptions import HTTPException

import components.views
from components.routes import run as answer
from components.views.gradient_norms import COMPARED
from llm.checkpoints import RunFolder, load_run
from llm.presets import COURSE
from llm.runtime.text import with_error
from llm.training.run_evaluation import evaluate_run

KEY = "view-section-train-gradient_norms"


def opened(path):
    """The page of the run with the view's section open."""
    app = open_page("train", run=path.name)
    app.session_state[f"{KEY}-{path.name}"] = True
    return app.run()


TIED = {"embed": "embeddings and unembedding", "final": "final norm"}  # what is shown of a model that ties the two
UNTIED = {"embed": "embeddings", "final": "final norm and unembedding"}


def norms_of(path) -> list[dict[str, float]]:
    return [row["grad_norms"] for row in RunFolder(path).read_metrics().rows if row["grad_norms"]]


def test_a_closed_section_asks_and_fetches_nothing(home):
    app = open_page("train", run=tiny_run(home).name)
    assert [section.label for section in app.expander] == [
        "Continue or branch", "What happened", "Tree of branches", "Gradient norm of each layer", "The batch at a step",
    ]  # fmt: skip
    assert "**What do you expect?**" not in texts(app)


def test_the_view_asks_first_and_compares_with_what_was_recorded(home):
    path = tiny_run(home)
    app = opened(path)
    assert "**What do you expect?**" in texts(app)
    button(app, "expect-train-gradient_norms-The embeddings").click().run()
    assert not app.exception
    rows = norms_of(path)[:COMPARED]
    largest = max(rows[0], key=lambda layer: sum(row[layer] for row in rows))
    mean = sum(row[largest] for row in rows) / len(rows)
    assert f"over the first 3 steps it is **{TIED.get(largest, largest)}**, with a mean norm of {mean:.3g}" in texts(
        app
    )


def test_with_questions_off_the_view_is_shown_at_once(home):
    never_ask(home)
    app = opened(tiny_run(home))
    assert not app.exception
    assert "**What do you expect?**" not in texts(app)


def test_every_norm_of_every_step_is_served_and_then_only_what_is_new(home):
    path = tiny_run(home)
    rows = norms_of(path)
    content = json.loads(answer(run_request(path, "gradient_norms")).body)
    assert content["steps"] == [1, 2, 3]
    assert list(content["norms"]) == [TIED["embed"], "block 0", TIED["final"]]
    for layer in ("embed", "block 0", "final"):
        assert content["norms"][TIED.get(layer, layer)] == pytest.approx([row[layer] for row in rows], rel=1e-4)
    more = json.loads(answer(run_request(path, "gradient_norms", **{"from": str(content["next"])})).body)
    assert (more["steps"], more["norms"], more["reset"]) == ([], {}, False)
    again = json.loads(answer(run_request(path, "gradient_norms", **{"from": "7"})).body)
    assert again["reset"] and again["steps"] == [1, 2, 3]


def test_only_a_model_with_an_untied_unembedding_has_gradients_there(home):
    path = finished_run(home, "llama", d_model=8, n_layers=1, n_heads=1, n_ctx=16)
    content = json.loads(answer(run_request(path, "gradient_norms")).body)
    assert list(content["norms"]) == [UNTIED["embed"], "block 0", UNTIED["final"]]


@pytest.mark.parametrize("architecture", COURSE)
def test_every_preset_has_the_gradient_norm_of_each_layer_in_each_step(home, architecture):
    path = finished_run(home, architecture)
    content = json.loads(answer(run_request(path, "gradient_norms")).body)
    assert len(content["norms"]) == 4 and content["steps"] == [1, 2]  # embeddings, two blocks, the rest
    assert all(norm > 0 for norms in content["norms"].values() for norm in norms)


def test_a_step_whose_gradient_overflowed_leaves_a_gap(home):
    path = tiny_run(home)
    row = RunFolder(path).read_metrics().rows[-1]
    row["step"], row["grad_norms"] = 4, {"embed": 1.0, "final": 2.0}
    with (path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    content = json.loads(answer(run_request(path, "gradient_norms")).body)
    assert (content["norms"][TIED["embed"]][-1], content["norms"]["block 0"][-1]) == (1.0, None)


def test_the_table_holds_every_norm(home):
    path = tiny_run(home)
    rows = list(csv.DictReader(io.StringIO(answer(run_request(path, "gradient_norms.csv")).body.decode())))
    assert [int(row["step"]) for row in rows] == [1, 2, 3]
    for row, norms in zip(rows, norms_of(path), strict=True):
        assert {layer: float(row[TIED.get(layer, layer)]) for layer in norms} == norms
        assert float(row["all"]) ** 2 == pytest.approx(sum(norm**2 for norm in norms.values()), rel=1e-4)


def test_an_exported_page_holds_the_norms_and_what_draws_them(home):
    path = tiny_run(home)
    page = answer(run_request(path, "gradient_norms.html")).body.decode()
    data = json.loads(re.search(r"draw\(\{ data: (\{.*\}), parentElement", page)[1])
    embedded = {name: base64.b64decode(source.partition("base64,")[2]) for name, source in data["sources"].items()}
    assert json.loads(embedded["norms"])["steps"] == [1, 2, 3]
    assert b"plotly.js" in embedded["plotly"]
    assert not re.search(r'(src|href)="(?!data:)', page)


@pytest.mark.parametrize(
    ("run_id", "what", "query", "status", "message"),
    [
        ("20200101000000", "gradient_norms", {}, 404, "There is no such run"),
        ("../secrets", "gradient_norms", {}, 404, "There is no such run"),
        (None, "nothing", {}, 404, "There is no such view"),
        (None, "gradient_norms", {"from": "x"}, 400, "from must be an integer of 0 or more, got 'x'"),
    ],
)
def test_bad_addresses_are_refused_with_a_message(home, run_id, what, query, status, message):
    path = tiny_run(home)
    with pytest.raises(HTTPException, match=re.escape(message)) as refused:
        answer(run_request(path if run_id is None else path.parent / run_id, what, **query))
    assert refused.value.status_code == status


ADDED = """
from dataclasses import replace

from components.shared.view import Question
from components.views.gradient_norms import VIEW as GRADIENT_NORMS

VIEW = replace(
    GRADIENT_NORMS,
    name="added",
    label="An added view",
    order=3,
    question=Question("What does an added view touch?", ("Its folder", "More")),
    routes={"added": lambda run, query: {"run": run.run_id}},
)
"""


def test_a_new_folder_is_a_new_view(home, tmp_path, monkeypatch):
    (tmp_path / "views" / "added").mkdir(parents=True)
    (tmp_path / "views" / "added" / "__init__.py").write_text(ADDED)
    monkeypatch.setattr(components.views, "__path__", [*components.views.__path__, str(tmp_path / "views")])
    path = tiny_run(home)
    app = open_page("train", run=path.name)
    assert [section.label for section in app.expander] == [
        "Continue or branch",
        "What happened",
        "Tree of branches",
        "Gradient norm of each layer",
        "The batch at a step",
        "An added view",
    ]
    app.session_state[f"view-section-train-added-{path.name}"] = True
    assert "What does an added view touch?" in texts(app.run())
    assert json.loads(answer(run_request(path, "added")).body) == {"run": path.name}
    assert len(answer(run_request(path, "added.csv")).body.splitlines()) == 4
    assert answer(run_request(path, "added.html")).body.startswith(b"<!doctype html>")
    del sys.modules["components.views.added"]


@pytest.mark.parametrize("step", [0, 2])
def test_the_batch_of_a_snapshot_has_the_loss_that_the_run_recorded_for_its_step(home, step):
    path = tiny_run(home, eval_every=1, precision="float32")
    content = json.loads(answer(run_request(path, "batch", step=str(step))).body)
    row = RunFolder(path).read_metrics().rows[step + 1]
    assert (content["step"], content["recorded"], content["windows"], content["taken"]) == (
        step + 1,
        row["loss"],
        2,
        True,
    )
    assert content["mean"] == pytest.approx(row["loss"], rel=1e-5)
    texts_of = [[content["texts"][str(token)] for token in window] for window in content["tokens"]]
    assert all("".join(window) in RunFolder(path).text() and len(window) == 17 for window in texts_of)
    window, pos = content["hardest"][0]
    assert content["losses"][window][pos] == max(map(max, content["losses"]))


def test_the_batch_after_the_last_step_is_one_that_the_run_does_not_take(home):
    path = tiny_run(home)
    content = json.loads(answer(run_request(path, "batch", step="3")).body)
    assert (content["step"], content["recorded"], content["taken"]) == (4, None, False)


def test_the_table_of_a_batch_has_every_token_with_the_models_guesses(home):
    path = tiny_run(home)
    response = answer(run_request(path, "batch.csv", step="3"))
    assert f'filename="batch-{path.name}-step-4.csv"' in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(response.body.decode())))
    assert len(rows) == 2 * 16
    for row in rows:
        if row["token"] == row["guess 1"]:
            assert math.exp(-float(row["loss"])) == pytest.approx(float(row["p 1"]), rel=1e-4)
        assert 1 > float(row["p 1"]) >= float(row["p 2"]) >= float(row["p 3"]) > 0


def test_only_the_first_windows_of_a_large_batch_are_shown(home, monkeypatch):
    monkeypatch.setattr("components.views.batch.MOST_TOKENS", 20)
    content = json.loads(answer(run_request(tiny_run(home), "batch", step="0")).body)
    assert (len(content["tokens"]), content["windows"], content["recorded"]) == (1, 2, None)


def test_a_run_that_read_its_text_in_another_order_has_no_batch_to_show(home):
    path = tiny_run(home)
    change_config(path, lambda config: config.pop("data_order"))
    with pytest.raises(HTTPException, match="read its text in another order than today's runs: it is not recorded"):
        answer(run_request(path, "batch", step="0"))


def test_a_batch_is_shown_in_its_section_with_the_newest_snapshot_first(home):
    never_ask(home)
    path = tiny_run(home)
    app = open_page("train", run=path.name)
    app.session_state[f"view-section-train-batch-{path.name}"] = True
    app.run()
    assert not app.exception
    (choice,) = (box for box in app.selectbox if box.key == f"train-batch-{path.name}")
    assert choice.options[0] == "The newest: after step 3" and "Step 0 · untrained" in choice.options
    for step in RunFolder(path).snapshots():
        shutil.rmtree(path / f"step_{step:06}")
    assert "There are no weights yet" in texts(app.run())


def test_a_view_of_a_run_is_not_one_of_a_selection(home):
    with pytest.raises(HTTPException, match="There is no such view"):
        view_response("train", tiny_run(home), "gradient_norms")


def test_the_test_part_is_measured_when_asked_for_and_said_with_its_standard_error(home):
    path = tiny_run(home)
    app = open_page("train", run=path.name)
    assert "Test loss" not in texts(app)
    app.toggle(key=f"train-test-{path.name}").set_value(True).run()
    found = evaluate_run(load_run(path), "test", skill_pairs=0)
    measured = found.evaluation
    assert f"**Test loss {with_error(measured.loss, measured.standard_error)}** on all" in texts(app)
    assert f"{measured.characters:,} characters" in texts(app)


def test_a_run_without_a_test_part_or_not_finished_offers_no_test(home):
    path = tiny_run(home)
    (path / "final_model.safetensors").unlink()
    assert not open_page("train", run=path.name).toggle
    config = json.loads((path / "config.json").read_text())
    del config["text"]["test_characters"]
    (path / "config.json").write_text(json.dumps(config))
    (path / "final_model.safetensors").touch()
    assert not open_page("train", run=path.name).toggle


def test_the_page_says_how_new_the_validation_text_is(home):
    path = tiny_run(home)
    seen = RunFolder(path).config().raw["text"]["sentences_seen_in_training"]["validation"]
    assert seen > 0.5
    assert f"In this run's text, that is {seen:.0%} of the validation sentences." in texts(
        open_page("train", run=path.name)
    )


def test_the_page_says_where_a_run_was_resumed_under_other_conditions(home):
    path = tiny_run(home)
    app = open_page("train", run=path.name)
    assert "Resumed at step" not in texts(app)
    config = json.loads((path / "config.json").read_text())
    changed = config["conditions"] | {"processor": "**Z80**"}
    (path / "config.json").write_text(json.dumps(config | {"resumed": [{"step": 1, "conditions": changed}]}))
    sentence = (
        f"Resumed at step 1 .* the pause: processor {re.escape(config['conditions']['processor'])}, then \\*\\*Z80"
    )
    assert any(re.match(sentence, text.value) for text in app.run().text)  # as text, not as markup
