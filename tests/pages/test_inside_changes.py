"""Views of the Inside page that change a model: what they ask and show, with the library's figures."""

import csv
import io
import json
import re

import pytest
import torch
from app_pages import HEN, TEXT, button, finished_run, never_ask, open_page, texts, view_response
from starlette.exceptions import HTTPException

from components.views import patching
from llm.checkpoints import load_run
from llm.data import TextData
from llm.interpret.activation_patching import Patch, activation_patching, logit_difference
from llm.interpret.attention_override import AttentionOverride
from llm.interpret.intervention import Intervention, ablation_effects, greedy_continuation, intervention_effect
from llm.interpret.prompts import prompt_pair
from llm.runtime import compute
from llm.tokenizers import build_tokenizer
from llm.world import generate
from llm.world.contrasts import CONTRASTS, Contrast


@pytest.fixture
def run(home):
    """A run with two layers of four heads, two to a key/value head, with rotary positions."""
    return finished_run(home, "llama", n_heads=4, n_kv_heads=2, n_ctx=24)


def ask(path, *what: str, **query):
    """The answer of the route for the tokens of HEN, unless `text` says otherwise."""
    return view_response("inside", path, *what, **query)


def loaded(path):
    run = load_run(path)
    return run, torch.tensor([run.tokenizer.encode(HEN)])


def test_intervene_asks_once_for_a_prediction(home, run):
    app = open_page("inside", run=run.name, view="intervene")
    assert "the loss on your text hardly change" in texts(app)
    button(app, "expect-inside-intervene-A few").click().run()
    assert "**What do you expect?**" not in texts(app)
    assert not app.exception


def test_a_link_opens_the_same_intervention(home, run):
    never_ask(home)
    asked = {"off": "0.1,1.m", "kind": "mean", "scale": "0.5", "gaze": "token", "layer": "1", "head": "2", "row": "5",
             "key": "3"}  # fmt: skip
    app = open_page("inside", run=run.name, prompt=HEN, view="intervene", **asked)
    for name, value in asked.items():
        assert app.query_params[name] == value, name
    chosen = {box.label: box.value for box in app.selectbox}
    assert (chosen["Layer"], chosen["Which query token"], chosen["Which key token"]) == ("1", "5", "3")


def test_a_link_to_an_impossible_intervention_shows_a_message(home, run):
    never_ask(home)
    app = open_page("inside", run=run.name, prompt=HEN, view="intervene", off="0.<b>")
    assert "off must be an integer of 0 or more, got '<b>'" in texts(app)


@pytest.mark.parametrize("kind", ["zero", "mean"])
def test_losses_and_predictions_are_the_librarys(run, kind):
    opened, tokens = loaded(run)
    windows = TextData.from_text(TEXT, opened.tokenizer, 24).evaluation_windows(4)[0]
    result = json.loads(ask(run, "intervene-effect", off="0.1,0.2,1.m", kind=kind, scale="0.5").body)
    change = Intervention(((0, 1), (0, 2)), (1,), 0.5, kind == "mean")
    expected = intervention_effect(opened.model, tokens, change, windows)
    both = (expected.original, expected.altered)
    texts = [opened.tokenizer.token_text(token) for token in range(opened.config.d_vocab)]
    y, other = (texts.index(text) for text in result["pair"])
    probabilities = expected.altered.logits.softmax(dim=-1)
    assert result["loss"] == pytest.approx([float(prediction.losses.mean()) for prediction in both], rel=1e-5)
    assert result["difference"] == pytest.approx(
        [float(prediction.logits[y] - prediction.logits[other]) for prediction in both], abs=1e-5
    )
    for text, _, after in result["next"]:
        assert after == pytest.approx(float(probabilities[texts.index(text)]), rel=1e-4)
    assert max(after for _, _, after in result["next"]) == pytest.approx(float(probabilities.max()), rel=1e-4)


def test_an_attention_override_is_the_librarys(run):
    opened, tokens = loaded(run)
    result = json.loads(ask(run, "intervene-effect", gaze="token", layer=1, head=3, row=9, key=4).body)
    change = Intervention(override=AttentionOverride(1, 3, "token", 9, 4))
    expected = intervention_effect(opened.model, tokens, change)
    assert result["losses"][1] == pytest.approx(expected.altered.losses.tolist(), rel=1e-5)
    assert result["losses"][0] != pytest.approx(result["losses"][1], rel=1e-5)


def test_nothing_switched_off_changes_nothing(run):
    result = json.loads(ask(run, "intervene-effect").body)
    assert result["losses"][0] == result["losses"][1]
    original, altered = json.loads(ask(run, "intervene-continuations").body)
    assert original == altered
    assert len(original) == 24 - len(HEN)


def test_both_models_continue_with_their_most_likely_token(run):
    opened, tokens = loaded(run)
    _, altered = json.loads(ask(run, "intervene-continuations", off="0.m,1.m").body)
    written = greedy_continuation(opened.model, tokens[0].tolist(), 24, Intervention(mlps=(0, 1)))
    assert altered == [opened.tokenizer.token_text(token) for token in written]


def test_every_ablation_is_the_librarys(run):
    opened, tokens = loaded(run)
    result = json.loads(ask(run, "intervene-ablations").body)
    assert result == pytest.approx(ablation_effects(opened.model, tokens).flatten().tolist(), abs=1e-6)
    assert len(result) == 2 * (4 + 1)


def test_a_single_token_has_no_loss_and_the_view_still_works(run):
    assert json.loads(ask(run, "intervene-ablations", text="T").body) == []
    result = json.loads(ask(run, "intervene-effect", text="T", off="0.0").body)
    assert result["loss"] == [None, None]


def test_each_altered_token_is_a_separate_task(run, monkeypatch):
    """So that a training run can take steps in between."""
    tasks, submit = [], compute.submit
    monkeypatch.setattr(compute, "submit", lambda *arguments: tasks.append(arguments) or submit(*arguments))
    ask(run, "intervene-continuations", off="1.2")
    assert len(tasks) >= 24 - len(HEN)


def test_an_intervention_exports_everything_it_shows(run):
    rows = list(csv.DictReader(io.StringIO(ask(run, "intervene.csv", off="0.1").body.decode())))
    result = json.loads(ask(run, "intervene-effect", off="0.1").body)
    losses = [row for row in rows if row["what"] == '"loss of a token"']
    assert [float(row["altered"]) for row in losses] == pytest.approx(result["losses"][1])
    assert json.loads(losses[0]["token"]) == "h"
    page = ask(run, "intervene.html", off="0.1").body.decode()
    assert "default-src 'none'" in page
    data = json.loads(re.search(r"draw\(\{ data: (\{.*\}), parentElement", page)[1])
    assert data["off"] == ["0.1"] and set(data["sources"]) == {"ablations", "effect", "continuations"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"off": "9.0"}, "layer 9 does not exist"),
        ({"off": "0.7"}, "head 7 does not exist"),
        ({"off": "x.0"}, "off must be an integer of 0 or more, got 'x'"),
        ({"scale": "7"}, "scale must be one of 0, 0.25, 0.5, 0.75, 1, 1.5, 2, got '7'"),
        ({"gaze": "up"}, "gaze must be one of itself, previous, first, evenly, token, got 'up'"),
        ({"gaze": "token", "row": "3", "key": "5"}, "position 3 cannot attend to position 5"),
        ({"gaze": "first", "row": "99"}, "query=99 does not exist"),
        ({"gaze": "first", "head": "4"}, "head 4 does not exist"),
    ],
)
def test_impossible_interventions_are_refused_with_a_message(run, query, message):
    with pytest.raises(HTTPException, match=re.escape(message)) as refused:
        ask(run, "intervene-effect", **query)
    assert refused.value.status_code == 400


def test_weights_that_diverged_are_reported(run):
    opened, _ = loaded(run)
    with torch.no_grad():
        opened.model.blocks[0].attention.W_Q.fill_(torch.nan)
    opened.folder.save_model("final", opened.model, opened.step)
    with pytest.raises(HTTPException, match="the weights diverged"):
        ask(run, "intervene-effect")


@pytest.fixture(scope="module")
def ready_texts():
    """Prepared pairs from the world, at least one of each kind, for tokens that are characters."""
    tokenizer = build_tokenizer("char", generate(size=60_000))
    return [next(patching._fitting(tokenizer, skill)) for skill in CONTRASTS]


PROMPTS = ("The hen sat", "The fox sat", " on", " under")


def pair_of(path):
    return prompt_pair(load_run(path).tokenizer, *PROMPTS)


def ask_patching(path, what="patching", **query):
    pair = pair_of(path)
    dotted = {name: ".".join(map(str, ids)) for name, ids in (("corrupt", pair.corrupt), ("answers", pair.answers))}
    return ask(path, what, text=load_run(path).tokenizer.decode(pair.clean), **dotted | query)


def test_patching_asks_once_and_then_accepts_custom_texts(home, run):
    app = open_page("inside", run=run.name, view="patching")
    assert "Two texts differ in one word" in texts(app)
    button(app, "expect-inside-patching-In between").click().run()
    assert not app.exception
    assert "Ready pairs come from the story world" in texts(app)


def test_a_link_opens_the_same_patching(home, run):
    never_ask(home)
    asked = dict(zip(patching.FIELDS, PROMPTS, strict=True)) | {"site": "head", "locked": "1.2"}
    app = open_page("inside", run=run.name, prompt=HEN, view="patching", **asked)
    for name, value in asked.items():
        assert app.query_params[name] == value, name
    shown = {box.label: box.value for box in app.text_input}
    assert shown == dict(zip(patching.FIELDS.values(), PROMPTS, strict=True))


def test_a_prepared_pair_is_named_in_the_address_by_its_texts(home, run, monkeypatch):
    never_ask(home)
    pairs = [Contrast("The hen sat", "The fox sat", " on", " under"), Contrast("The hen", "The fox", ".", "&")]
    monkeypatch.setattr(patching, "ready_pairs", lambda look: pairs)
    app = open_page("inside", run=run.name, view="patching")
    assert (app.query_params["clean"], app.query_params["right"]) == ("The hen sat", " on")
    asked = {name: getattr(pairs[1], name) for name in patching.FIELDS}
    again = open_page("inside", run=run.name, view="patching", **asked)
    assert next(box.value for box in again.selectbox if box.label == "Two texts") == "1"
    assert not again.text_input


def test_texts_of_different_length_show_a_message(home, run):
    never_ask(home)
    app = open_page("inside", run=run.name, view="patching", clean="The hen", corrupt="The foxes", right="s", wrong="x")
    assert "The clean text has 7 tokens and the corrupted one 9" in texts(app)


@pytest.mark.parametrize("site", ["resid_pre", "attention_out", "mlp_out"])
def test_every_effect_of_a_patch_is_the_librarys(run, site):
    pair, model = pair_of(run), load_run(run).model
    prompts = torch.tensor(pair.clean), torch.tensor(pair.corrupt)
    ends = logit_difference(model, torch.stack(prompts), pair.answers).tolist()
    for layer in range(2):
        patches = [[Patch(site, layer, (position,))] for position in range(len(pair.clean))]
        expected = activation_patching(model, *prompts, pair.answers, patches)
        result = json.loads(ask_patching(run, site=site, layer=layer).body)
        assert result["effects"] == pytest.approx(expected.tolist(), abs=1e-4)
        assert result["ends"] == pytest.approx(ends, abs=1e-5)
    if site == "resid_pre":  # before the first layer the prompts differ nowhere else
        alike = [at for at in range(len(pair.clean)) if at not in pair.changed]
        first = json.loads(ask_patching(run, site=site, layer=0).body)["effects"]
        assert [first[at] for at in alike] == pytest.approx([0] * len(alike), abs=1e-4)


def test_in_long_texts_neighbouring_positions_are_patched_together(run, monkeypatch):
    monkeypatch.setattr(patching, "CELLS", 3)  # 12 positions
    pair, model = pair_of(run), load_run(run).model
    result = json.loads(ask_patching(run, site="mlp_out", layer=1).body)["effects"]
    prompts = torch.tensor(pair.clean), torch.tensor(pair.corrupt)
    patches = [[Patch("mlp_out", 1, tuple(range(at, at + 4)))] for at in (0, 4, 8)]
    assert result == pytest.approx(activation_patching(model, *prompts, pair.answers, patches).tolist(), abs=1e-4)


def test_each_head_is_patched_at_all_positions(run):
    pair, model = pair_of(run), load_run(run).model
    result = json.loads(ask_patching(run, site="head", layer=1).body)["effects"]
    patches = [[Patch("head", 1, None, head)] for head in range(4)]
    prompts = torch.tensor(pair.clean), torch.tensor(pair.corrupt)
    assert result == pytest.approx(activation_patching(model, *prompts, pair.answers, patches).tolist(), abs=1e-4)


def test_prepared_pairs_come_from_the_world_and_fit_the_tokenizer(ready_texts):
    tokenizer = build_tokenizer("char", generate(size=60_000))
    for contrast in ready_texts:
        pair = prompt_pair(tokenizer, contrast.clean, contrast.corrupt, contrast.right, contrast.wrong)
        assert len(pair.clean) == len(pair.corrupt)


def test_a_label_names_what_differs_once():
    contrast = Contrast("Now Greta had it, and", "Now Tom had it, and", " she", " he")
    assert patching.label(contrast) == "Now Greta/Tom had it, and … she/he"


def test_patching_exports_everything_it_shows(run):
    rows = list(csv.DictReader(io.StringIO(ask_patching(run, "patching.csv", site="mlp_out").body.decode())))
    assert len(rows) == 2 * len(pair_of(run).clean)
    page = ask_patching(run, "patching.html", site="head").body.decode()
    data = json.loads(re.search(r"draw\(\{ data: (\{.*\}), parentElement", page)[1])
    assert set(data["sources"]) == {"0", "1"} and data["columns"] == [f"head {head}" for head in range(4)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"corrupt": "1.2"}, "corrupt must be 12 token ids"),
        ({"corrupt": "x"}, "corrupt must be 12 token ids"),
        ({"answers": "1.1"}, "answers two that differ"),
        ({"answers": "1.999"}, "answers two that differ"),
        ({"site": "nose"}, "site must be one of resid_pre, attention_out, mlp_out, head, got 'nose'"),
        ({"layer": "9"}, "layer 9 does not exist"),
        ({"layer": "-1"}, "layer must be an integer of 0 or more, got '-1'"),
    ],
)
def test_impossible_patches_are_refused_with_a_message(run, query, message):
    with pytest.raises(HTTPException, match=re.escape(message)):
        ask_patching(run, **query)
