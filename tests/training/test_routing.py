"""The losses of routers, what is measured of them, and how experts train."""

import dataclasses
import json
import math

import pytest
import torch
from tiny_training import TEXT, TRAINING

from llm.config import ModelConfig
from llm.model import Transformer
from llm.presets import preset
from llm.runs.folder import RunFolder
from llm.training.machine import check_machine
from llm.training.new_run import NewRun
from llm.training.optimizers.build import parameter_groups
from llm.training.optimizers.muon import muon_step
from llm.training.routing import load, routing_figures
from llm.training.setup import resume_run

SIZES = {"d_model": 16, "n_layers": 2, "n_heads": 2, "n_ctx": 16, "n_experts": 4, "d_mlp": 8}
CONFIG: ModelConfig = preset("llama", d_vocab=1, **SIZES)


def figures(logits, weights, choices):
    found = routing_figures(logits, weights, choices, load(logits, choices))
    names = ("entropy", "dropped", "balance", "z")
    return {"load": found[:-4]} | dict(zip(names, found[-4:], strict=True))


def test_equal_routing_has_a_balance_of_one_and_one_sided_routing_the_most():
    logits = torch.full((1, 4, 4), -20.0)
    logits[0].fill_diagonal_(20.0)  # each token to another expert, with certainty
    found = figures(logits, torch.eye(4)[None], 1)
    assert found["balance"] == pytest.approx(1)
    assert found["load"].tolist() == [0.25] * 4
    assert found["entropy"] == pytest.approx(0, abs=1e-6)
    assert found["z"] == pytest.approx(400, rel=1e-4)
    logits = torch.tensor([30.0, 0, 0, 0]).expand(1, 4, 4)
    one_sided = figures(logits, torch.tensor([1.0, 0, 0, 0]).expand(1, 4, 4), 1)
    assert one_sided["balance"] == pytest.approx(4)
    assert one_sided["load"].tolist() == [1, 0, 0, 0]
    assert figures(logits, torch.eye(4)[None, :1].expand(1, 2, 4), 1)["dropped"] == pytest.approx(0.5)
    flat = figures(torch.zeros(1, 8, 4), torch.ones(1, 8, 4), 4)
    assert flat["entropy"] == pytest.approx(math.log(4)) and flat["balance"] == pytest.approx(1)


def trained(tmp_path, training=TRAINING, **changes):
    trainer = NewRun(dataclasses.replace(CONFIG, **changes), training, "char", TEXT, "foxes.txt", tmp_path).start()
    return trainer, list(trainer)


def test_routers_are_measured_in_every_step_and_balance_with_their_loss(tmp_path):
    training = dataclasses.replace(TRAINING, steps=40, eval_every=40, sample_tokens=0)
    spread = {}
    for factor in (0.0, 1.0):
        trainer, metrics = trained(tmp_path, training, load_balance_loss=factor)
        last = metrics[-1].experts
        assert all(sum(layer) == pytest.approx(1, abs=1e-5) for layer in last.load)
        assert last.dropped == [0, 0] and all(0 < entropy <= math.log(4) + 1e-5 for entropy in last.router_entropy)
        spread[factor] = sum(value for step in metrics[-10:] for value in step.experts.load_balance_loss)
        rows = RunFolder(trainer.folder.path).read_metrics().rows
        assert rows[-1]["experts"] == json.loads(json.dumps(dataclasses.asdict(last)))
    assert spread[1.0] < spread[0.0]


def test_dropped_choices_are_counted_and_a_model_without_experts_has_no_figures(tmp_path):
    training = dataclasses.replace(TRAINING, steps=2, sample_tokens=0)
    assert 0.4 < trained(tmp_path, training, expert_capacity=0.5)[1][-1].experts.dropped[0] < 0.8
    assert trained(tmp_path, training, n_experts=0)[1][-1].experts is None


def test_a_run_of_experts_resumes_bit_for_bit_also_with_gradient_checkpointing(tmp_path):
    training = dataclasses.replace(TRAINING, precision="float32", steps=6, eval_every=3, sample_tokens=4)
    whole = trained(tmp_path, training)[0].model.state_dict()
    again = dataclasses.replace(training, gradient_checkpointing=True)
    trainer = NewRun(CONFIG, again, "char", TEXT, "foxes.txt", tmp_path).start()
    for _ in range(4):
        next(trainer)
    trainer.snapshot()
    trainer.folder.unlock()
    resumed = resume_run(trainer.folder.path)
    list(resumed)
    for name, weight in resumed.model.state_dict().items():
        assert torch.equal(weight, whole[name]), name


def test_muon_steps_each_experts_matrix_by_itself_and_the_router_by_adamw(tmp_path):
    training = dataclasses.replace(TRAINING, optimizer="muon", precision="float32", steps=1, sample_tokens=0)
    trainer = NewRun(CONFIG, training, "char", TEXT, "foxes.txt", tmp_path).start()
    mlp = trainer.model.blocks[1].mlp
    before = mlp.W_in.detach().clone()
    next(trainer)
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    for expert in range(4):
        expected = before[expert].clone()
        muon_step(expected, mlp.W_in.grad[expert], torch.zeros_like(expected), learning_rate=rate,
                  weight_decay=training.weight_decay, output_first=False)  # fmt: skip
        torch.testing.assert_close(mlp.W_in[expert], expected, rtol=1e-4, atol=1e-5)
    groups = parameter_groups(Transformer(dataclasses.replace(CONFIG, d_vocab=9)))
    assert [weight.shape for weight in groups.other_matrices if weight.shape == (16, 4)] == [(16, 4)] * 2


def test_compile_is_refused_with_experts():
    with pytest.raises(ValueError, match="compile must be off with n_experts=4, got True"):
        check_machine(dataclasses.replace(TRAINING, compile=True), CONFIG)
