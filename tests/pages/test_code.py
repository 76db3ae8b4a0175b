"""The code page without a browser: with a run, without one, and with invalid requests."""

import dataclasses
import json
import re

import numpy as np
import pytest
import streamlit as st
import torch
from app_pages import open_page, texts, tiny_run, unpack
from model_configs import component_configs
from starlette.applications import Starlette
from starlette.testclient import TestClient

from components.routes import ROUTES
from components.shared.assets import COMPONENTS
from components.views.code.editor import SUGGESTIONS
from components.views.code.equations import equations
from components.views.code.training_code import open_training_code, stepped_weight
from llm import Transformer, preset
from llm.checkpoints import RunFolder, load_run
from llm.presets import ARCHITECTURES
from llm.trace import description
from llm.trace.forward_pass import PACKAGE, implementations, record_forward_pass, source_files
from llm.trace.layer_trace import trace_layer
from llm.trace.sessions import find_session, open_session
from llm.training.optimizers import REGISTRY as OPTIMIZERS
from llm.training.optimizers.build import build_optimizers, set_learning_rate

PRESETS = {name: preset(name, d_vocab=65) for name in ARCHITECTURES}


@pytest.fixture
def client():
    return TestClient(Starlette(routes=ROUTES))


@pytest.fixture
def key(home):
    return open_session(tiny_run(home), None, "The hen sat.").key


def test_without_a_run_it_leads_to_training(home):
    assert "No run yet" in texts(open_page("code"))


def test_a_run_is_read_on_the_text_of_the_address(home):
    path = tiny_run(home)
    app = open_page("code", run=path.name, prompt="The hen", step="2")
    assert "7 tokens · loss on this text" in texts(app)
    assert app.query_params["step"] == "2"


def test_the_first_text_is_the_runs_own(home):
    app = open_page("code", run=tiny_run(home).name)
    assert app.query_params["prompt"] == "The hen sat on the gate."
    assert "tokens" in texts(app)


def test_a_text_that_is_too_long_or_of_one_token_says_so(home):
    path = tiny_run(home)
    assert "the last 14 tokens are omitted: the limit is 16" in texts(
        open_page("code", run=path.name, prompt="The hen sat on the gate.\nThe f")
    )
    assert "a single token has no next token" in texts(open_page("code", run=path.name, prompt="T"))


@pytest.mark.parametrize(("prompt", "problem"), [("猫", "does not know '猫'"), ("", "The text is empty")])
def test_a_text_that_cannot_be_read_is_explained(home, prompt, problem):
    assert problem in texts(open_page("code", run=tiny_run(home).name, prompt=prompt))


def test_the_layer_route_returns_code_as_it_is_in_the_files(client, key):
    described = client.get(f"/live/code/{key}/layer", params={"path": "blocks.0.attention"}).json()
    assert described["tokens"] == list("The hen sat.")
    for shown in described["implementations"].values():
        file = PACKAGE.parent / shown["file"]
        lines = file.read_text().split("\n")
        assert shown["code"] == lines[shown["first"] - 1 : shown["first"] - 1 + len(shown["code"])]
        assert shown["code"][0].strip().startswith("def forward(")
        assert "return" in "".join(shown["code"][-3:])


def test_the_array_route_returns_float32(client, key):
    asked = {
        "path": "blocks.0.attention",
        "implementation": "einops",
        "step": 0,
        "name": "query",
        "rows": 2,
        "columns": 3,
    }
    answer = client.get(f"/live/code/{key}/array", params=asked | {"index": "0,0,0,0"})
    numbers = unpack(answer.content)["window"]
    variable = description.find_variable(find_session(key), "blocks.0.attention", "einops", 0, "query")
    assert np.array_equal(numbers, variable.tensor[0, 0].numpy())
    gradient = client.get(f"/live/code/{key}/array", params=asked | {"index": "0,0,0,0", "gradient": 1})
    assert np.array_equal(unpack(gradient.content)["window"], variable.gradient[0, 0].numpy())


def test_the_script_draws_as_many_elements_as_the_server_sends():
    drawn = re.search(r"const WINDOW = (\d+);", (COMPONENTS / "views/code/window.js").read_text("utf-8"))
    assert drawn and int(drawn[1]) == description.WINDOW


def test_the_comparison_route_measures_all_three(client, key):
    compared = client.get(f"/live/code/{key}/comparison", params={"path": "blocks.0.mlp"}).json()
    assert [row["implementation"] for row in compared] == ["einops", "torch", "fused"]
    assert all(row["output"] < 1e-5 and row["gradient"] < 1e-5 for row in compared)


@pytest.mark.parametrize(
    ("route", "status", "problem"),
    [
        ("nowhere/layer?path=", 404, "reload the page"),
        ("KEY/layer?path=blocks.7", 400, "There is no layer 'blocks.7'"),
        ("KEY/layer?path=../../etc", 400, "There is no layer"),
        (
            "KEY/array?path=embed&implementation=einops&step=-1&name=one_hot",
            400,
            "step must be an integer",
        ),
        (
            "KEY/array?path=embed&implementation=einops&step=0&name=one_hot&index=0,0",
            400,
            "index must be within the tensor's shape",
        ),
        (
            "KEY/cell?path=embed&implementation=fast&step=0&name=one_hot&index=0",
            400,
            "implementation must be one of einops, torch, fused, got 'fast'",
        ),
        ("KEY/cell?path=embed&implementation=einops&step=0&name=one_hot&index=0,0,99", 400, "has no element"),
    ],
)
def test_routes_refuse_with_a_message(client, key, route, status, problem):
    answer = client.get(f"/live/code/{route.replace('KEY', key)}")
    assert (answer.status_code, problem in answer.text) == (status, True), answer.text


def test_every_layer_can_be_sent_as_json(client, key):
    for layer in find_session(key).code.kinds:
        answer = client.get(f"/live/code/{key}/layer", params={"path": layer})
        assert json.loads(answer.text)["path"] == layer


def test_the_editor_is_off_when_other_machines_can_reach_the_server(home, monkeypatch):
    path = tiny_run(home)
    monkeypatch.setattr(st, "get_option", lambda name: "localhost")
    app = open_page("code", run=path.name)
    assert [area for area in app.text_area if area.label == "Code"]
    monkeypatch.setattr(st, "get_option", lambda name: None)
    app = open_page("code", run=path.name)
    assert "The editor is off" in texts(app)
    assert not [area for area in app.text_area if area.label == "Code"]
    assert not [button for button in app.button if button.key == "code-try"]


def test_without_a_wall_only_the_ready_made_edits_can_be_tried(home, monkeypatch):
    monkeypatch.setattr(st, "get_option", lambda name: "localhost")
    monkeypatch.setattr("components.views.code.editor.wall_stands", lambda: False)
    app = open_page("code", run=tiny_run(home).name, layer="blocks.0.norm_mlp", implementation="torch")
    assert "Only these ready-made edits can be tried" in texts(app)
    assert not [area for area in app.text_area if area.label == "Code"]
    app.session_state["code-edit-LayerNormWithoutEinops"] = "def forward(self, x):\n    import os\n"
    app.run()
    assert "import os" not in app.code[0].value and "centred = x - mean" in app.code[0].value
    next(button for button in app.button if button.label == "Do not subtract the mean").click().run()
    assert "centred = x  #" in app.code[0].value
    next(group for group in app.button_group if group.label == "Your prediction").set_value("breaks").run()
    app.button(key="code-try").click().run(timeout=60)
    assert "You predicted: It breaks" in texts(app) and "centred has changed" in texts(app)


def test_edited_code_is_still_there_after_another_page(home, monkeypatch):
    monkeypatch.setattr(st, "get_option", lambda name: "localhost")
    app = open_page("code", run=tiny_run(home).name)
    next(area for area in app.text_area if area.label == "Code").set_value("def forward(self): ...").run()
    app.switch_page("home.py").run()
    app.switch_page("code.py").run()
    assert next(area for area in app.text_area if area.label == "Code").value == "def forward(self): ..."


def test_the_editor_holds_the_running_code_and_suggests_changes(home, monkeypatch):
    monkeypatch.setattr(st, "get_option", lambda name: "127.0.0.1")
    app = open_page("code", run=tiny_run(home).name, layer="blocks.0.norm_mlp", implementation="torch")
    area = next(area for area in app.text_area if area.label == "Code")
    assert area.value.startswith("def forward(self, x:") and "centred.square()" in area.value
    button = next(button for button in app.button if button.label == "Do not subtract the mean")
    button.click().run()
    area = next(area for area in app.text_area if area.label == "Code")
    assert "centred = x  #" in area.value
    assert next(button for button in app.button if button.key == "code-try").disabled  # guess first


def test_every_suggested_edit_fits_some_layer():
    code = "".join(file.read_text("utf-8") for file in source_files())
    assert [name for name, (old, _) in SUGGESTIONS.items() if old not in code] == []


def test_the_model_can_be_downloaded_as_one_script(home):
    app = open_page("code", run=tiny_run(home).name)
    assert [element for element in app.get("download_button") if element.label == "This model as one script"]


def test_sampling_and_training_code_is_read_on_live_data(home, client):
    path = tiny_run(home)
    app = open_page("code", run=path.name, prompt="The hen sat.", read="training")
    assert not [area for area in app.text_area if area.label == "Code"]
    live = open_training_code(path, None, "The hen sat.")
    key = live.key
    assert list(live.code.kinds) == ["sampling", "muon", "adamw", "windows", "bpe", "schedule", "loss"]
    made = {}
    for name in live.code.kinds:
        described = client.get(f"/live/code/{key}/layer", params={"path": name}).json()["implementations"]["code"]
        lines = (PACKAGE.parent / described["file"]).read_text().split("\n")
        assert described["code"] == lines[described["first"] - 1 : described["first"] - 1 + len(described["code"])]
        made[name] = [variable["name"] for step in described["steps"] for variable in step["variables"]]
        assert all("?" not in variable["axes"] for step in described["steps"] for variable in step["variables"]), name
        assert client.get(f"/live/code/{key}/comparison", params={"path": name}).json() == []
    assert made["adamw"][-2:] == made["muon"][-2:] == ["weight", "weight"]
    assert {"likeliest", "kept", "descending", "probabilities"} <= set(made["sampling"])
    merges = [step for step in described_steps(client, key, "bpe") if dict(step["values"]).get("merge")]
    assert dict(merges[0]["values"])["merge"].startswith("Merge(left=")
    assert client.get(f"/live/code/{key}/layer", params={"path": "embed"}).status_code == 400


def described_steps(client, key, name):
    described = client.get(f"/live/code/{key}/layer", params={"path": name}).json()
    return described["implementations"]["code"]["steps"]


@pytest.mark.parametrize(("kind", "name"), [("adamw", "adamw"), ("muon", "adamw"), ("muon", "muon")])
def test_the_step_that_is_shown_is_the_first_one_of_training(home, monkeypatch, kind, name):
    """The traced weight after the step equals that of the run's own optimizers, at the warm-up's first rate."""
    monkeypatch.setattr("llm.training.optimizers.muon.has_bfloat16", lambda device: False)
    path = tiny_run(home, optimizer=kind, steps=100, eval_every=100, warmup=0.1)
    run, settings = load_run(path), RunFolder(path).config().training
    tokens = torch.tensor([run.tokenizer.encode("The hen sat.")])
    live = open_training_code(path, None, "The hen sat.")
    shown = next(step for step in OPTIMIZERS[kind].steps if step.name == name)
    model = load_run(path).model
    torch.nn.functional.cross_entropy(model(tokens)[0, :-1], tokens[0, 1:]).backward()
    optimizers = build_optimizers(model, settings)
    set_learning_rate(optimizers, 1 / 11)  # warm-up takes ten steps
    for optimizer in optimizers:
        optimizer.step()
    path = ".".join(stepped_weight(shown, model))
    stepped = model.get_parameter(path).detach()
    steps = live.trace(name, "code").steps
    weight = run.model.get_parameter(path).detach()
    traced = steps[-1].variables[0].tensor
    assert not torch.equal(traced, weight)
    assert (traced - stepped).norm() < 1e-3 * (stepped - weight).norm()


PARAMETERS = {"γ": "w", "β": "b"}  # as the equations write them, and as the code does


@pytest.mark.parametrize("config", [*PRESETS.values(), *component_configs()], ids=str)
def test_every_equation_is_of_this_very_model(config):
    """Its symbols are variables of the code; its weights and biases are those that the layer has, all of them."""
    models = implementations(Transformer(config))
    recorded = record_forward_pass(models["fused"], torch.randint(config.d_vocab, (1, 5)))
    told = equations(config)
    seen = set()
    for path in recorded.calls:
        layer = models["einops"].get_submodule(path)
        kind = type(layer).__name__.removesuffix("WithEinops")
        if kind in seen:
            continue
        seen.add(kind)
        text = " ".join(told[kind]["lines"])
        traces = [trace_layer(recorded, path, model) for model in models.values()]
        made = {variable.name for trace in traces for step in trace.steps for variable in step.variables}
        assert {symbol.split("|")[0] for symbol in re.findall(r"{([^}]*)}", text)} <= made, kind
        written = {PARAMETERS.get(name, name) for name in re.findall(r"[Wb]_[A-Za-z]+|[γβ]", text)}
        if kind != "Transformer":  # it names weights of its layers
            assert written == {name for name, _ in layer.named_parameters(recurse=False)}, kind


def equation_text(kind, **changes):
    return " ".join(equations(dataclasses.replace(PRESETS["gpt"], **changes))[kind]["lines"])


def test_equations_follow_settings_without_parameters():
    assert "slope_h" in equation_text("Attention", positional="alibi") and "slope" not in equation_text("Attention")
    assert "rotated by the angles" in equation_text("Attention", positional="rope")
    assert "norm({query})" in equation_text("Attention", qk_norm=True) and "norm" not in equation_text("Attention")
    assert "⌊h / 2⌋" in equation_text("Attention", n_kv_heads=2) and "⌊" not in equation_text("Attention")
    assert "max({pre}, 0)" in equation_text("MLP", activation="relu") and "Φ({pre})" in equation_text("MLP")
    assert "norm({resid} +" in equation_text("Block", norm_position="post")
    assert "attention(norm(resid))" in equation_text("Block")
    assert "W_pos" in equation_text("Transformer") and "W_pos" not in equation_text("Transformer", positional="none")
    assert "W_Eᵀ" in equation_text("Transformer") and "W_U" in equation_text("Transformer", tie_embeddings=False)


def test_the_equations_of_training_code_use_its_variables(home, client):
    live = open_training_code(tiny_run(home), None, "The hen sat.")
    key = live.key
    told = equations(live.text.config)
    for name, title in live.code.kinds.items():
        symbols = set(re.findall(r"{([^}|]*)", " ".join(told[title]["lines"])))
        steps = described_steps(client, key, name)
        made = {variable["name"] for step in steps for variable in step["variables"]}
        made |= {value for step in steps for value, _ in step["values"]}
        assert symbols and symbols <= made, title
