"""The end of a run moves while it trains: what pages show of it is of now."""

import json
import re

import pytest
import torch
from app_pages import HEN, SOON, never_ask, open_page, texts, tiny_run, training_run, unpack, view_response

from components.shared.selection import Selection
from components.views.code.training_code import open_training_code
from llm.background import trainings
from llm.checkpoints import RunFolder, load_run
from llm.loss import next_token_loss
from llm.trace.sessions import open_session


@pytest.fixture
def path(home):
    never_ask(home)
    return tiny_run(home)


def train_on(path):
    """Replace the final weights by others, as if the run had gone on training; returns its model."""
    run = load_run(path)
    with torch.no_grad():
        for weights in run.model.parameters():
            weights.add_(torch.randn_like(weights))
    RunFolder(path).save_model("final", run.model, run.step + 1)
    return run


def loss_of(run):
    tokens = torch.tensor([run.tokenizer.encode(HEN)])
    with torch.no_grad():
        return float(next_token_loss(run.model(tokens[:, :-1]), tokens[:, 1:]))


def test_the_code_page_reads_the_newest_weights_also_in_a_tab_that_is_open(path):
    app = open_page("code", run=path.name, prompt=HEN)
    run = train_on(path)
    for tab in (app.run(), open_page("code", run=path.name, prompt=HEN)):
        (shown,) = re.findall(r"loss on this text ([\d.]+)", texts(tab))
        assert float(shown) == pytest.approx(loss_of(run), abs=6e-4)


@pytest.mark.parametrize("open_code", [open_session, open_training_code])
def test_code_is_traced_anew_only_for_other_weights(path, open_code):
    session = open_code(path, None, HEN)
    assert open_code(path, None, HEN) is session
    train_on(path)
    assert open_code(path, None, HEN).key != session.key


def test_a_views_script_is_given_other_addresses_once_the_end_has_moved(path):
    """A script draws anew what has another address, and nothing else."""
    selection = Selection(path.name, None, (1, 2))
    address = selection.address("inside/lens")
    assert selection.address("inside/lens") == address
    at_a_step = selection.at(3).address("inside/lens")
    train_on(path)
    assert selection.address("inside/lens") != address
    assert selection.at(3).address("inside/lens") == at_a_step


@pytest.mark.parametrize("query", ["run", "new"])
def test_what_is_below_a_runs_controls_keeps_its_position_when_the_run_ends(home, query):
    """The browser closes a panel whose position in the page has changed."""
    run = training_run(home)
    assert run.wait("running", timeout=SOON)

    def positions(app):
        """Of the blocks at the top of the page that hold panels, by the label of their first."""
        blocks = app.main.children.items()
        found = {panels[0].label: at for at, block in blocks if (panels := panels_of(block))}
        return {label: at for label, at in found.items() if label not in ("Continue or branch", "Tree of branches")}

    app = open_page("train", **{query: run.id})
    before = positions(app)
    assert before
    trainings.stop_all(SOON)
    after = positions(app.run())
    assert {label.replace(" so far", ""): at for label, at in before.items()} == after


def panels_of(block):
    if block.type == "expander":
        return [block]
    return [panel for child in getattr(block, "children", {}).values() for panel in panels_of(child)]


def test_an_embedding_map_has_the_axes_of_the_newest_weights(path):
    def points():
        return unpack(view_response("inside", path, "embeddings", "0", axes="end").body)["points"]

    before = points()
    train_on(path)
    assert not (points() == before).all()


def test_a_views_numbers_are_of_the_newest_weights(path):
    def norms():
        return json.loads(view_response("inside", path, "residual").body)["norm"]

    before = norms()
    train_on(path)
    assert norms() != before
