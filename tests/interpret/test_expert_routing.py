"""Which experts tokens go to, and which tokens an expert gets, against counts by hand; and the view of them."""

import dataclasses

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES
from tiny_training import TEXT, TRAINING

from components.shared.selection import Selection
from components.views.experts import VIEW, load_json, routing_json, tokens_json
from llm.config import ModelConfig
from llm.interpret.expert_routing import expert_tokens, expert_weights
from llm.presets import preset
from llm.training.new_run import NewRun

CONFIG = ModelConfig(**(SIZES | {"n_experts": 5, "experts_per_token": 2}))


def test_a_token_has_as_many_experts_as_the_config_says_and_their_weights_sum_to_one():
    weights = expert_weights(randomised(CONFIG), torch.randint(31, (2, 9)))
    assert weights.shape == (2, 2, 9, 5)
    assert ((weights > 0).sum(dim=-1) == 2).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 2, 9, dtype=weights.dtype))
    with pytest.raises(ValueError, match="this model has no experts"):
        expert_weights(randomised(dataclasses.replace(CONFIG, n_experts=0)), torch.zeros(1, 2, dtype=torch.int64))


def test_an_experts_tokens_are_those_that_it_gets_more_often_than_an_average_token():
    model, windows = randomised(CONFIG), torch.randint(31, (6, 9))
    found, there = expert_tokens(model, windows, top=3, batch_size=4), expert_weights(model, windows)[1, ..., 3] > 0
    load = there.double().mean()
    assert found.load[1, 3] == pytest.approx(load.item())
    excess = {v: (there[windows == v].sum() - load * (windows == v).sum()).item() for v in range(31)}
    best = int(found.tokens[1, 3, 0])
    assert excess[best] == pytest.approx(max(excess.values()), abs=1e-4)  # of several, one
    assert found.fraction[1, 3, 0] == pytest.approx(there[windows == best].double().mean().item())
    assert found.occurred[1, 3, 0] == (windows == best).sum()


def test_the_view_shows_routing_likes_and_loads_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_HOME", str(tmp_path))
    sizes = {"d_model": 16, "n_layers": 2, "n_heads": 2, "n_ctx": 16, "n_experts": 4, "d_mlp": 8}
    training = dataclasses.replace(TRAINING, steps=3, sample_tokens=0)
    for n_experts in (4, 0):
        model = dataclasses.replace(preset("llama", d_vocab=1, **sizes), n_experts=n_experts)
        trainer = NewRun(model, training, "char", TEXT, "foxes.txt", tmp_path / "checkpoints").start()
        list(trainer)
        selection = Selection(trainer.folder.id, None, (1, 2, 3, 2))
        data, contents = VIEW.data(selection, {}), VIEW.sources(selection, {})
        assert data["experts"] == n_experts and data["sources"].keys() == contents.keys()
        rows = list(VIEW.table(selection, {}).rows)
        if n_experts == 0:
            assert routing_json(selection) == rows == load_json(selection)["steps"] == []
            continue
        weights = expert_weights(selection.run().model, torch.tensor([[1, 2, 3, 2]]))[:, 0]
        assert len(rows) == 2 * 4 * 2
        for layer, position, _, _, expert, weight in rows:
            assert weight == pytest.approx(weights[layer, position, expert].item(), abs=1e-4)
        assert load_json(selection)["steps"] == [1, 2, 3] and len(load_json(selection)["load"][0]) == 4
        assert sum(len(likes) for likes in tokens_json(selection, 1)) > 0
        with pytest.raises(ValueError, match="layer must be in 0 to 1"):
            tokens_json(selection, 2)
        assert "of 4 experts" in VIEW.measured(selection, {})
