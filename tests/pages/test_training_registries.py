"""An optimizer and a schedule that are added to the registries, and nowhere else, are on the pages too."""

import pytest
import torch
import toy_training
from app_pages import open_page, tiny_run

from components.views.code.equations import equations
from components.views.code.training_code import open_training_code
from llm.checkpoints import load_run
from llm.training.optimizers import REGISTRY as OPTIMIZERS
from llm.training.schedule import REGISTRY as SCHEDULES


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "toy", toy_training.OPTIMIZER)
    monkeypatch.setitem(SCHEDULES, "toy", toy_training.SCHEDULE)


def test_toys_are_choices_of_the_form(toys, home):
    app = open_page("train")
    for field, options in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        box = next(box for box in app.selectbox if box.label.endswith(f"`{field}`"))
        assert box.options == list(options) and box.options[-1] == "toy"


def test_the_code_page_shows_and_explains_the_toys_of_the_run(toys, home):
    path = tiny_run(home, optimizer="toy", schedule="toy", learning_rate=0.05)
    open_page("code", run=path.name, prompt="The hen sat.", read="training")
    session = open_training_code(path, None, "The hen sat.")
    assert "adamw" not in session.code.kinds
    assert session.code.kinds["toy"] == "Momentum step"
    assert session.code.kinds["schedule"] == "Learning rate: Square root"
    told = equations(load_run(path).config)
    assert "0.9 {mean} + g" in told["Momentum step"]["lines"][0]
    assert "{fall} = √(steps left / steps)" in told["Learning rate: Square root"]["lines"]
    steps = session.trace("toy", "code").steps
    run = load_run(path)
    layer, name = OPTIMIZERS["toy"].steps[0].weights[0]
    weight = run.model.get_submodule(layer).get_parameter(name).detach()
    tokens = torch.tensor([run.tokenizer.encode("The hen sat.")])
    run.model.zero_grad()
    torch.nn.functional.cross_entropy(run.model(tokens)[0, :-1], tokens[0, 1:]).backward()
    gradient = run.model.get_submodule(layer).get_parameter(name).grad
    torch.testing.assert_close(steps[-1].variables[0].tensor, weight - 0.05 * gradient)
