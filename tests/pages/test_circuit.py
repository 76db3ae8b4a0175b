"""The Circuit page without a browser: its text, its choices, and figures that are the library's."""

import json
import random
import re

import pytest
import torch
from app_pages import button, finished_run, never_ask, open_page, texts, tiny_run, view_response
from starlette.exceptions import HTTPException

from components.views import circuit
from llm.checkpoints import RunFolder, load_run
from llm.config import TrainingConfig
from llm.data import split_text
from llm.interpret.composition import composition
from llm.interpret.copying_test import Experiment, Repetition, answer_probabilities
from llm.presets import preset
from llm.training.setup import start_run

PROMPT = "The hen sat on the gate.\nThe fox s"  # "t" follows "a", and "s" was followed by "a"
EXAMPLE = "Example, from text that the model has not seen"
HEADS = {"previous": "0.3", "copying": "1.2"}


@pytest.fixture
def run(home):
    return finished_run(home, "llama", n_heads=4, n_kv_heads=2, n_ctx=64)


@pytest.fixture
def names_run(home):
    """A run on a text in which every line invents a name, and says it again."""
    letters = random.Random(0)
    names = ["".join(letters.sample("abcdefghijklmnopqrstuvwxyz", 6)) for _ in range(200)]
    text = "\n\n".join(f"One day {name} sang. Then {name} left." for name in names)
    config = preset("llama", d_vocab=1, d_model=16, n_layers=2, n_heads=2, n_ctx=48)
    training = TrainingConfig(steps=1, batch_size=2, eval_every=1, eval_windows=2, sample_tokens=0, device="cpu")
    trainer = start_run(config, training, "char", text, "names.txt", home / "checkpoints", architecture="llama")
    for _ in trainer:
        pass
    assert trainer.folder is not None
    return trainer.folder.path


def ids(path, text: str = PROMPT) -> list[int]:
    return load_run(path).tokenizer.encode(text)


def ask(path, what: str, **query):
    query = HEADS | {"other": ids(path, "x")[0]} | query
    return json.loads(view_response("circuit", path, what, text=PROMPT, **query).body)


def box(app, label: str):
    return next(box for box in app.selectbox if box.label == label)


def test_without_a_run_the_page_leads_to_training(home):
    assert "No run yet" in texts(open_page("circuit"))


def test_a_model_of_one_layer_is_told_what_it_lacks(home):
    path = tiny_run(home)
    assert "This model has one layer" in texts(open_page("circuit", run=path.name))


def test_the_page_asks_first_and_then_picks_an_example_and_a_pair(names_run):
    app = open_page("circuit", run=names_run.name)
    assert "**What do you expect?**" in texts(app)
    button(app, "expect-circuit-circuit-The right piece, as before").click().run()
    assert not app.exception
    assert app.query_params["example"] == "1"
    previous, copying = (tuple(map(int, app.query_params[name].split("."))) for name in ("previous", "copying"))
    assert previous[0] == 0 and copying[0] == 1  # in a later layer
    assert int(app.query_params["other"]) < load_run(names_run).config.d_vocab


def test_examples_come_from_the_held_out_text_and_another_can_be_chosen(home, names_run):
    never_ask(home)
    app = open_page("circuit", run=names_run.name)
    examples = box(app, EXAMPLE)
    validation = split_text(load_run(names_run).folder.text()).validation
    for option in examples.options[:-1]:
        before, piece = re.fullmatch(r"… (.*) \| (.)", option).groups()
        assert before + piece in validation
    examples.select_index(1).run()
    assert not app.exception
    assert app.query_params["example"] == "2"
    box(app, EXAMPLE).select_index(len(examples.options) - 1).run()
    assert not app.exception
    assert app.query_params["example"] == "own"


def test_without_a_good_example_the_page_says_so_and_starts_with_held_out_text(home, run):
    never_ask(home)
    app = open_page("circuit", run=run.name)
    assert "no good example" in texts(app)
    assert app.query_params["example"] == "own"
    assert len(app.query_params["prompt"]) > 20


def test_a_link_keeps_text_heads_and_piece(home, run):
    never_ask(home)
    app = open_page("circuit", run=run.name, example="own", prompt=PROMPT, step="1", **HEADS)
    assert {name: app.query_params[name] for name in ("example", "prompt", "step", *HEADS)} == {
        "example": "own", "prompt": PROMPT, "step": "1", **HEADS,
    }  # fmt: skip
    other = box(app, "The other piece")
    other.select_index(2).run()
    assert not app.exception
    chosen = app.query_params["other"]
    again = open_page("circuit", run=run.name, example="own", prompt=PROMPT, other=chosen, **HEADS)
    assert again.query_params["other"] == chosen


def test_a_text_that_repeats_nothing_is_answered_with_a_sentence(home, run):
    never_ask(home)
    app = open_page("circuit", run=run.name, example="own", prompt="The")
    assert any("no token occurs a second time" in info.value for info in app.info)
    with pytest.raises(HTTPException, match="no token occurs a second time"):
        view_response("circuit", run, "circuit-heads", text="The", **HEADS, other=1)


@pytest.mark.parametrize("architecture", ["gpt", "llama", "olmo"])
def test_figures_are_the_librarys(home, architecture):
    path = finished_run(home, architecture, n_heads=4, n_kv_heads=2, n_ctx=64)
    model, prompt = load_run(path).model, tuple(ids(path))
    other = ids(path, "x")[0]
    repetition = Repetition(prompt, PROMPT[:-1].rindex("s"))
    pair = (repetition.piece, other)
    experiments = [Experiment(prompt), Experiment(repetition.replaced(other)), Experiment(prompt, ((0, 3),))]
    expected = answer_probabilities(model, experiments, pair).tolist()
    test = ask(path, "circuit-test")["probabilities"]
    for name, values in zip(("unchanged", "replaced", "previous"), expected, strict=True):
        assert test[name] == pytest.approx(values, abs=1e-6)
    assert {"copying", "both", "unlabelled", "elsewhere", "untrained", "untrainedReplaced"} < test.keys()
    composed = ask(path, "circuit-composition")
    torch.testing.assert_close(torch.tensor(composed["kinds"]["K"]), composition(model, 0, 1).key)
    direct = ask(path, "circuit-direct")
    logits = model(torch.tensor([prompt]))[0, -1].detach()
    assert direct["difference"] == pytest.approx(float(logits[pair[0]] - logits[other]), abs=1e-4)
    assert sum(map(sum, direct["heads"])) + direct["rest"] == pytest.approx(direct["difference"], abs=1e-4)
    parts = ask(path, "circuit-parts")
    assert parts["distance"] == len(prompt) - 2 - repetition.earlier
    heads = ask(path, "circuit-heads")
    assert sum(heads["copyingRow"]) == pytest.approx(1, abs=1e-4)
    assert heads["previousRow"][repetition.earlier + 2 :] == [0] * (len(prompt) - repetition.earlier - 2)
    step = ask(path, "circuit-step")
    assert step["probability"] == pytest.approx(expected[0][0], abs=1e-6)
    assert step["composition"] == composed["kinds"]["K"][3][2]


def test_a_one_layer_run_is_a_control_if_it_reads_the_same_tokens(home, run):
    control = finished_run(home, "llama", n_layers=1, n_heads=4, n_ctx=64)
    test = ask(run, "circuit-test", control=control.name)["probabilities"]
    assert {"oneLayer", "oneLayerReplaced"} < test.keys()
    assert ask(run, "circuit-control", control=control.name)["copying"] >= 0
    short = finished_run(home, "llama", n_layers=1, n_heads=4, n_ctx=16)
    with pytest.raises(HTTPException, match="does not read this text as the same tokens"):
        ask(run, "circuit-test", control=short.name)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"previous": "1.0"}, "copying's layer the later one, got '1.0' and '1.2'"),
        ({"copying": "7.0"}, "must each be a layer and a head of this model"),
        ({"other": "9999"}, "other must be a token id below"),
        ({"control": "../x"}, "control must be the name of a run"),
    ],
)
def test_bad_addresses_are_refused_with_a_message(run, query, message):
    with pytest.raises(HTTPException, match=re.escape(message)) as refused:
        ask(run, "circuit-heads", **query)
    assert refused.value.status_code == 400


def test_an_exported_page_and_the_table_hold_every_figure(run):
    query = HEADS | {"other": ids(run, "x")[0]}
    page = view_response("circuit", run, "circuit.html", text=PROMPT, **query).body.decode()
    assert "default-src 'none'" in page
    data = json.loads(re.search(r"draw\(\{ data: (\{.*\}), parentElement", page)[1])
    steps = load_run(run).folder.snapshots()
    named = {"heads", "parts", "composition", "direct", "test", "heldOut", *(f"step/{step}" for step in steps)}
    assert data["sources"].keys() == named
    table = view_response("circuit", run, "circuit.csv", text=PROMPT, **query).body.decode()
    assert table.startswith("figure,what,value\n")
    for name in named:
        assert f'"{name}"' in table


def test_a_run_without_a_copying_head_is_told_how_it_differs_and_can_start_the_form_filled_in(home, run):
    never_ask(home)
    advice = circuit._advice(RunFolder(run).config())
    assert (
        "it read hens.txt, not strangers.txt; qk_norm was off, not on; mask was causal, not sliding; window was 32, "
        "not 2; full_every was 0, not 3; it was to take" in advice
    )
    app = open_page("train", new="1")
    button(app, "train-recipe").click().run()
    assert not app.exception
    assert box(app, "Text").value.name == "strangers.txt"
    assert next(toggle for toggle in app.toggle if toggle.label.endswith("`qk_norm`")).value
    assert next(number for number in app.number_input if number.label.endswith("`steps`")).value == 1500
    assert next(one for one in app.selectbox if one.label.endswith("`mask`")).value == "sliding"
    assert "**GPT small**" in texts(app)
