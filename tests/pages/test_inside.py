"""The Inside page without a browser: lens, attribution and residual stream show the library's figures."""

import base64
import csv
import io
import json
import re

import numpy as np
import pytest
import torch
from app_pages import HEN, button, finished_run, never_ask, open_page, selection_request, texts, tiny_run, view_response
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from components.shared.controls import escape_token
from components.shared.lens_figures import lens_of
from components.shared.parameters import parse_indices
from components.shared.selection import selection_from_request
from components.views import lens as lens_view
from components.views.attribution import first_token
from llm.checkpoints import load_run
from llm.interpret.direct_logit_attribution import direct_logit_attribution
from llm.interpret.logit_lens import logit_lens
from llm.interpret.residual_stream import residual_stream
from llm.runtime import compute

MODELS = {
    "llama": {"n_heads": 4, "n_kv_heads": 2},
    "gpt": {"n_heads": 2},
    "post": {"n_heads": 2, "norm_position": "post"},
}


def trained(home, name: str):
    """A run with two layers: grouped heads, biases and LayerNorm, or norms after what they normalise."""
    architecture = "llama" if name == "llama" else "gpt"
    return finished_run(home, architecture, n_ctx=16, **MODELS[name])


@pytest.fixture
def run(home):
    return trained(home, "llama")


@pytest.fixture
def quiet(home):
    """No view asks for a prediction."""
    never_ask(home)


def ids(path) -> list[int]:
    return load_run(path).tokenizer.encode(HEN)


def ask(path, *what: str, **query) -> bytes:
    return view_response("inside", path, *what, **query).body


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def select(app, label: str):
    return next(box for box in app.selectbox if box.label == label)


def test_without_a_run_the_page_leads_to_training(home):
    assert "No run yet" in texts(open_page("inside"))


QUESTIONS = {"lens": "In the second half", "attribution": "The MLPs", "residual": "It gets shorter"}


def test_only_views_that_read_a_text_ask_for_one_and_it_is_kept_meanwhile(home, run):
    never_ask(home)
    app = open_page("inside", run=run.name, prompt=HEN, view="lens")
    view = next(group for group in app.get("button_group") if group.label == "View")
    assert [box.value for box in app.text_area] == [HEN]
    for other in "embeddings", "neurons", "patching":
        view.set_value(other).run()
        assert not app.exception
        assert not app.text_area and not [box for box in app.button if box.label == "Append the next token"]
    view.set_value("residual").run()
    assert [box.value for box in app.text_area] == [HEN]


@pytest.mark.parametrize(("view", "expected"), QUESTIONS.items())
def test_each_view_asks_first_and_answers_with_what_it_measured(home, run, view, expected):
    app = open_page("inside", run=run.name, view=view, prompt=HEN)
    assert "**What do you expect?**" in texts(app)
    button(app, f"expect-inside-{view}-{expected}").click().run()
    assert not app.exception
    assert "**What do you expect?**" not in texts(app)
    assert re.search(rf"You expected: \*\*{expected.lower()}\*\*\. Measured: ", texts(app))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=8))
def test_the_final_prediction_counts_from_the_first_row_after_which_nothing_changes(guesses):
    same = [row for row in range(len(guesses)) if set(guesses[row:]) == {guesses[-1]}]
    assert lens_view.settled(guesses) == min(same)


def test_a_link_opens_the_same_view(home, run, quiet):
    app = open_page("inside", run=run.name, step="1", prompt=HEN, view="lens", colour="rank", locked="2.3")
    expected = {"step": "1", "view": "lens", "colour": "rank", "locked": "2.3"}
    assert {name: app.query_params[name] for name in expected} == expected
    other = open_page("inside", run=run.name, prompt=HEN, view="residual", figure="fraction", locked="5")
    assert (other.query_params["figure"], other.query_params["locked"]) == ("fraction", "5")


def test_another_view_does_not_keep_the_last_views_selection(home, run, quiet):
    app = open_page("inside", run=run.name, prompt=HEN, view="lens", locked="1.3")
    view = next(group for group in app.button_group if group.key == "inside-view")
    view.set_value("residual").run()
    assert not app.exception
    assert app.query_params["view"] == "residual"
    assert "locked" not in app.query_params


def test_a_link_to_a_missing_run_or_view_falls_back_to_an_existing_one(home, run, quiet):
    app = open_page("inside", run=run.name, prompt=HEN, view="nothing", colour="x", locked="9.9")
    assert (app.query_params["view"], app.query_params["colour"]) == ("lens", "guess")
    app = open_page("inside", run=run.name, prompt=HEN, view="attribution", position="99", token="99999", against="x")
    assert app.query_params["position"] == "15"


def test_the_pair_is_the_true_next_token_against_the_most_likely_other(home, run, quiet):
    app = open_page("inside", run=run.name, prompt=HEN, view="attribution", position="4")
    loaded = load_run(run)
    guesses = loaded.model(torch.tensor([ids(run)]))[0, 4].argsort(descending=True).tolist()
    truth = ids(run)[5]
    assert select(app, "Towards").value == truth
    assert select(app, "Rather than").value == next(guess for guess in guesses if guess != truth)
    app = open_page("inside", run=run.name, prompt=HEN, view="attribution")  # at the end there is no true next token
    guesses = loaded.model(torch.tensor([ids(run)]))[0, -1].argsort(descending=True).tolist()
    assert [select(app, label).value for label in ("Towards", "Rather than")] == guesses[:2]


def test_another_token_can_be_chosen_and_the_address_remembers_it(home, run, quiet):
    app = open_page("inside", run=run.name, prompt=HEN, view="attribution", position="4")
    box = select(app, "Rather than")
    box.select_index(5).run()
    assert not app.exception
    chosen = int(app.query_params["against"])
    guesses = load_run(run).model(torch.tensor([ids(run)]))[0, 4].argsort(descending=True).tolist()
    assert chosen in guesses[:6] and select(app, "Rather than").value == chosen
    assert "token" not in app.query_params  # the other one still follows the text


def test_what_is_typed_is_read_as_a_token(run):
    selection, encode = selection_from_request(selection_request("inside", run, "lens")), load_run(run).tokenizer.encode
    assert first_token(selection, "waited") == encode("w")[0]
    assert first_token(selection, "·") == encode(" ")[0]
    for text, message in (("猫", "does not know '猫'"), ("", "at least one character")):
        with pytest.raises(ValueError, match=message):
            first_token(selection, text)


@pytest.mark.parametrize("name", MODELS)
def test_the_lens_is_the_librarys_and_ends_in_the_models_output(home, name):
    path = trained(home, name)
    model, tokens = load_run(path).model, torch.tensor([ids(path)])
    expected, result = logit_lens(model, tokens), json.loads(ask(path, "lens"))
    assert result["guesses"] == expected.top_tokens.flatten().tolist()
    assert result["rank"] == expected.true_rank.flatten().tolist()
    np.testing.assert_allclose(result["probabilities"], expected.top_probabilities.flatten(), atol=1e-5)
    np.testing.assert_allclose(result["truth"], expected.true_probability.flatten(), atol=1e-5)
    output = model(tokens)[0].softmax(-1).max(-1)
    assert result["guesses"][-16 * 5 :: 5] == output.indices.tolist()
    np.testing.assert_allclose(result["probabilities"][-16 * 5 :: 5], output.values.detach(), atol=1e-5)
    assert set(result["texts"]) == {str(token) for token in result["guesses"]}


@pytest.mark.parametrize("name", MODELS)
def test_bars_sum_to_the_models_own_difference(home, name):
    path = trained(home, name)
    model, tokens = load_run(path).model, torch.tensor([ids(path)])
    result = json.loads(ask(path, "attribution", position=6, token=3, against=5))
    expected = direct_logit_attribution(model, tokens, (3, 5), 6)
    logits = model(tokens)[0, 6].detach()
    assert result["difference"] == pytest.approx(float(logits[3] - logits[5]), abs=1e-5)
    assert sum(bar["value"] for bar in result["bars"]) == pytest.approx(result["difference"], abs=1e-4)
    np.testing.assert_allclose([bar["value"] for bar in result["bars"]], expected.values[:, 0], atol=1e-6)
    names = [bar["name"] for bar in result["bars"]]
    assert len(set(names)) == len(names)
    assert f"Layer 1 · head {model.config.n_heads - 1}" in names


@pytest.mark.parametrize("name", MODELS)
def test_norms_and_fractions_are_the_librarys(home, name):
    path = trained(home, name)
    expected = residual_stream(load_run(path).model, torch.tensor([ids(path)]))
    result = json.loads(ask(path, "residual"))
    for figure, values in (
        ("norm", expected.norm),
        ("fraction", expected.fraction),
        ("component_norm", expected.component_norm),
    ):
        np.testing.assert_allclose(result[figure], values[:, 0], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(np.sum(result["fraction"], axis=0), 1, atol=1e-3)
    assert len(set(result["parts"])) == len(result["fraction"])


def test_tables_hold_every_number(run):
    cells = rows_of(ask(run, "lens.csv"))
    assert len(cells) == 3 * 16
    last = cells[-2]
    assert [json.loads(last[name]) for name in ("row", "pos", "true_next")] == ["layer 1", 14, "t"]
    result = json.loads(ask(run, "lens"))
    assert int(last["true_rank"]) == result["rank"][-1]
    assert cells[-1]["true_rank"] == ""
    bars = rows_of(ask(run, "attribution.csv", position=6))
    assert sum(float(bar["push"]) for bar in bars[:-1]) == pytest.approx(float(bars[-1]["push"]), abs=1e-4)
    values = rows_of(ask(run, "residual.csv"))
    assert len(values) == 16 * (3 + 2 * len(json.loads(ask(run, "residual"))["parts"]))


@pytest.mark.parametrize("view", ["lens", "attribution", "residual"])
def test_an_exported_page_holds_its_numbers_and_fetches_nothing(run, view):
    page = ask(run, f"{view}.html", position=6, token=3, against=5).decode()
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    data = json.loads(re.search(r"draw\(\{ data: (\{.*\}), parentElement", page)[1])
    embedded = base64.b64decode(data["sources"][view].partition("base64,")[2])
    assert json.loads(embedded) == json.loads(ask(run, view, position=6, token=3, against=5))


def test_each_row_of_the_lens_is_a_separate_task(run, monkeypatch):
    """So that a training run can take steps in between."""
    selection = selection_from_request(selection_request("inside", run, "lens"))
    selection.run()
    tasks, submit = [], compute.submit
    monkeypatch.setattr(compute, "submit", lambda *arguments: tasks.append(arguments) or submit(*arguments))
    lens_of(selection)
    assert len(tasks) >= 3


@pytest.mark.parametrize(
    ("what", "query", "status", "message"),
    [
        ("lens", {"tokens": "99999"}, 400, "token 99999 is not in the vocabulary"),
        ("attribution", {"position": "16"}, 400, "position must be 0 to 15, the positions of this text, got 16"),
        ("attribution", {"position": "-1"}, 400, "position must be an integer of 0 or more, got '-1'"),
        ("attribution", {"token": "9999"}, 400, "token 9999 is not in the vocabulary"),
        ("residual", {"tokens": ".".join(["1"] * 17)}, 400, "17 tokens are too many"),
        ("nothing", {}, 404, "There is no such view"),
    ],
)
def test_bad_addresses_are_refused_with_a_message(run, what, query, status, message):
    with pytest.raises(HTTPException, match=re.escape(message)) as refused:
        ask(run, what, **query)
    assert refused.value.status_code == status


@pytest.mark.parametrize("what", ["lens", "attribution", "residual"])
def test_weights_that_diverged_are_reported(home, run, quiet, what):
    loaded = load_run(run)
    with torch.no_grad():
        loaded.model.blocks[0].attention.W_Q.fill_(torch.nan)
    loaded.folder.save_model("final", loaded.model, loaded.step)
    with pytest.raises(HTTPException, match="the weights diverged"):
        ask(run, what)
    if what == "attribution":  # the page itself needs the guesses
        assert "the weights diverged" in texts(open_page("inside", run=run.name, view=what, prompt=HEN))


def test_a_single_token_can_be_shown(home, quiet):
    path = tiny_run(home)
    for view in QUESTIONS:
        assert not open_page("inside", run=path.name, view=view, prompt="T").exception


@given(st.text())
def test_an_escaped_token_stays_on_its_line_and_reorders_nothing(text):
    shown = escape_token(text)
    assert not re.search("[\u0000-\u0020\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", shown)


@given(st.text(), st.lists(st.integers(1, 600), min_size=1, max_size=3))
def test_only_whole_numbers_below_their_limits_are_taken_from_an_address(text, below):
    result = parse_indices(text, below)
    assert result is None or ".".join(map(str, result)) == re.sub(r"(?<!\d)0+(?=\d)", "", text)
    places = [limit - 1 for limit in below]
    assert parse_indices(".".join(map(str, places)), below) == places
    assert parse_indices(".".join(map(str, below)), below) is None
