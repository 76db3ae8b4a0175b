"""Views of the Inside page on embeddings and neurons: what they ask and show, with the library's figures."""

import csv
import io
import json
import re

import numpy as np
import pytest
import torch
from app_pages import HEN, TEXT, button, finished_run, never_ask, open_page, texts, unpack, view_response
from starlette.exceptions import HTTPException

from components.views import neurons
from llm.checkpoints import load_run
from llm.data import split_text
from llm.interpret.max_activating_examples import max_activating_examples
from llm.interpret.nearest_tokens import nearest_tokens
from llm.interpret.neuron_effect import neuron_effect
from llm.interpret.positions import distance_curves, position_cosines
from llm.interpret.principal_components import embedding_axes, embedding_map
from llm.runtime import compute
from llm.tokenizers.kinds import KINDS


def made(home, architecture: str, **settings):
    """A finished run of a tiny model of this architecture."""
    return finished_run(home, architecture, **({"n_heads": 4, "n_ctx": 24} | settings))


@pytest.fixture
def run(home):
    """A run with learned positions."""
    return made(home, "gpt")


def ask(path, *what: str, **query):
    """The answer of the route for the tokens of HEN."""
    return view_response("inside", path, *what, **query)


def component_data(page: str) -> dict:
    """The component's data in an exported page."""
    assert "default-src 'none'" in page
    return json.loads(re.search(r"draw\(\{ data: (\{.*\}), parentElement", page)[1])


@pytest.mark.parametrize(("view", "asked"), [("embeddings", "nearest neighbour"), ("neurons", "activate it most")])
def test_each_view_asks_once_for_a_prediction(home, run, view, asked):
    app = open_page("inside", run=run.name, view=view)
    assert asked in texts(app)
    button(app, f"expect-inside-{view}").click().run()
    assert "**What do you expect?**" not in texts(app)
    assert not app.exception


def test_a_link_opens_the_same_map(home, run):
    never_ask(home)
    asked = {"map": "3", "points": "frequency", "chosen": "5", "at": "1", "view": "embeddings"}
    app = open_page("inside", run=run.name, prompt=HEN, **asked)
    for name, value in asked.items():
        assert app.query_params[name] == value, name


def test_the_map_of_every_step_uses_the_axes_of_one(run):
    end, start = load_run(run), load_run(run, 0)
    own = unpack(ask(run, "embeddings", axes="end").body)
    expected = embedding_map(end.model, 3)
    np.testing.assert_allclose(own["points"], expected.coordinates, atol=1e-5)
    np.testing.assert_allclose(own["explained"], expected.explained_variance, rtol=1e-5)
    before = unpack(ask(run, "embeddings", "0", axes="end").body)
    expected = embedding_map(start.model, axes=embedding_axes(end.model, 3))
    np.testing.assert_allclose(before["points"], expected.coordinates, atol=1e-5)


def test_tokens_have_their_kind_and_their_count_in_the_text(run):
    result = json.loads(ask(run, "embeddings-tokens").body)
    kind = {text: KINDS[kind] for text, kind in zip(result["texts"], result["kinds"], strict=True)}
    assert (kind["h"], kind[" "], kind["."], kind["\n"]) == ("letter", "space", "punctuation", "space")
    count = dict(zip(result["texts"], result["counts"], strict=True))
    training = split_text(TEXT)[0]
    assert count == {sign: training.count(sign) for sign in count}


def test_neighbours_are_the_librarys(run):
    expected = nearest_tokens(load_run(run).model, 5)
    result = json.loads(ask(run, "embeddings-near", token=5).body)
    assert [token for token, _ in result] == expected.tokens.tolist()
    assert [cosine for _, cosine in result] == pytest.approx(expected.cosines.tolist(), abs=1e-6)


def test_alike_counts_neighbours_of_the_same_kind(run):
    model = load_run(run).model
    kinds = json.loads(ask(run, "embeddings-tokens").body)["kinds"]
    same = [kinds[int(nearest_tokens(model, token, 1).tokens[0])] == kinds[token] for token in range(len(kinds))]
    chance = [(kinds.count(kind) - 1) / (len(kinds) - 1) for kind in kinds]
    result = json.loads(ask(run, "embeddings-alike").body)
    assert result == pytest.approx({"same": np.mean(same), "chance": np.mean(chance), "tokens": len(kinds)})


@pytest.mark.parametrize("architecture", ["gpt", "llama"])
def test_positions_are_shown_as_the_scheme_has_them(home, architecture):
    path = made(home, architecture)
    model = load_run(path).model
    expected = position_cosines(model) if architecture == "gpt" else distance_curves(model)
    curves = unpack(ask(path, "embeddings-positions").body)["curves"]
    np.testing.assert_allclose(curves, expected, atol=1e-5)
    rows = list(csv.DictReader(io.StringIO(ask(path, "embeddings.csv", map="positions").body.decode())))
    assert len(rows) == expected.numel()


def test_a_model_without_positions_says_so_and_can_be_exported(home):
    path = made(home, "gpt", positional="none")
    with pytest.raises(HTTPException, match="to have position vectors, got 'none'"):
        ask(path, "embeddings-positions")
    assert not any(
        name.startswith("positions") for name in component_data(ask(path, "embeddings.html").body.decode())["sources"]
    )


def test_a_map_exports_everything_it_shows(run):
    rows = list(csv.DictReader(io.StringIO(ask(run, "embeddings.csv").body.decode())))
    expected = embedding_map(load_run(run).model, 3).coordinates
    assert [float(row["pc2"]) for row in rows] == pytest.approx(expected[:, 1].tolist(), abs=1e-5)
    data = component_data(ask(run, "embeddings.html", chosen=3, at=1).body.decode())
    assert (data["token"], data["at"], data["steps"]) == (3, 1, [0, 1, 2])
    assert set(data["sources"]) == {"tokens", "alike", "near/2"} | {
        f"{what}/{step}" for what in ("map", "positions") for step in data["steps"]
    }


def test_a_link_opens_the_same_neuron(home, run):
    never_ask(home)
    app = open_page("inside", run=run.name, prompt=HEN, view="neurons", layer="1", neuron="17")
    assert (app.query_params["layer"], app.query_params["neuron"]) == ("1", "17")
    assert app.number_input[0].value == 17
    app.number_input[0].set_value(18).run()
    assert app.query_params["neuron"] == "18"
    beyond = open_page("inside", run=run.name, prompt=HEN, view="neurons", layer="7", neuron="99999")
    assert beyond.query_params["neuron"] == str(load_run(run).config.d_mlp - 1)


def test_the_max_activating_examples_are_the_librarys(run):
    opened = load_run(run)
    stream = torch.tensor(opened.tokenizer.encode(split_text(TEXT)[0]))
    expected = max_activating_examples(opened.model, 1, stream)
    result = json.loads(ask(run, "neurons-part", layer=1, neuron=9, part=0).body)
    assert [activation for activation, _ in result] == pytest.approx(expected.activation[:, 9].tolist(), rel=1e-4)
    positions = [int(position) for _, position in result]
    snippets = json.loads(ask(run, "neurons-snippets", layer=1, neuron=9, at=".".join(map(str, positions))).body)
    for snippet, (activation, position) in zip(snippets, result, strict=True):
        peak = snippet["peak"]
        assert snippet["values"][peak] == pytest.approx(activation, rel=1e-4)
        first = position - peak
        written = opened.tokenizer.decode(stream[first : first + len(snippet["tokens"])].tolist())
        assert "".join(snippet["tokens"]) == written


def test_a_long_text_is_read_in_parts(run, monkeypatch):
    """Together they give the same as reading it at once."""
    monkeypatch.setattr(neurons, "PART", 24 * 4)
    monkeypatch.setattr(neurons, "PARTS", 3)
    opened = load_run(run)
    stream = torch.tensor(opened.tokenizer.encode(split_text(TEXT)[0]))[: 24 * 4 * 3]
    expected = max_activating_examples(opened.model, 0, stream)
    result = [
        example for part in range(3) for example in json.loads(ask(run, "neurons-part", neuron=3, part=part).body)
    ]
    strongest = sorted(result, reverse=True)[:10]
    assert [activation for activation, _ in strongest] == pytest.approx(expected.activation[:, 3].tolist(), rel=1e-4)
    activation, position = result[-1]  # in the last part, and its snippet can be requested
    assert position >= 24 * 4 * 2
    (snippet,) = json.loads(ask(run, "neurons-snippets", neuron=3, at=position).body)
    assert snippet["values"][snippet["peak"]] == pytest.approx(activation, rel=1e-4)


def test_a_neurons_effect_is_the_librarys(run):
    opened = load_run(run)
    expected = neuron_effect(opened.model, 1, 5)
    result = json.loads(ask(run, "neurons-effect", layer=1, neuron=5).body)
    assert [by for _, by in result["raised"]] == pytest.approx(expected.raised_by.tolist(), abs=1e-6)
    assert [by for _, by in result["lowered"]] == pytest.approx(expected.lowered_by.tolist(), abs=1e-6)
    assert result["lowered"][0][0] == opened.tokenizer.token_text(int(expected.lowered[0]))


def test_a_neuron_exports_everything_it_shows(run):
    rows = list(csv.DictReader(io.StringIO(ask(run, "neurons.csv", layer=1, neuron=5).body.decode())))
    assert {json.loads(row["what"]) for row in rows} == {"moment", "raised", "lowered"}
    data = component_data(ask(run, "neurons.html", layer=1, neuron=5).body.decode())
    assert (data["layer"], data["neuron"]) == (1, 5)
    assert set(data["sources"]) == {"effect", "snippets", "part/0"}


def test_neighbours_of_many_tokens_are_computed_in_many_tasks(run, monkeypatch):
    """So that a training run can take steps in between."""
    tasks, submit = [], compute.submit
    monkeypatch.setattr(compute, "submit", lambda *arguments: tasks.append(arguments) or submit(*arguments))
    ask(run, "embeddings-alike")
    assert len(tasks) >= load_run(run).config.d_vocab


@pytest.mark.parametrize(
    ("what", "query", "message"),
    [
        ("embeddings", {"axes": "x"}, "axes must be an integer of 0 or more, got 'x'"),
        ("embeddings", {"axes": "7"}, "has no weights of step 7"),
        ("embeddings-near", {"token": "99999"}, "token 99999 is not in the vocabulary"),
        ("embeddings-near", {"token": "<b>"}, "token must be an integer of 0 or more, got '<b>'"),
        ("neurons-part", {"layer": 2}, "layer must be in 0 to 1, got 2"),
        ("neurons-part", {"part": 1}, "part must be in 0 to 0, the parts of the text, got 1"),
        ("neurons-effect", {"neuron": 99999}, "neuron must be in 0 to 63, got 99999"),
        ("neurons-snippets", {"at": "x"}, "at must be 1 to 10 positions"),
        ("neurons-snippets", {"at": "99999999"}, "the windows of this text, got 99999999"),
    ],
)
def test_bad_addresses_are_refused_with_a_message(run, what, query, message):
    with pytest.raises(HTTPException, match=re.escape(message)) as refused:
        ask(run, what, **query)
    assert refused.value.status_code == 400


def test_embeddings_that_diverged_are_reported(run):
    opened = load_run(run)
    with torch.no_grad():
        opened.model.embed.W_E.fill_(torch.nan)
    opened.folder.save_model("final", opened.model, opened.step)
    with pytest.raises(HTTPException, match="weights diverged"):
        ask(run, "embeddings")
