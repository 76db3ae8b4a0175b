"""Gradient checkpointing changes what is saved for the backward pass, and nothing else."""

import copy
import dataclasses

import pytest
import torch
from measured_costs import saved_bytes
from model_configs import PRESETS, config_name
from tiny_training import TRAINING, same, start, weights

from llm.loss import next_token_loss
from llm.model import Transformer
from llm.training.gradient_checkpointing import recompute_blocks


@pytest.mark.parametrize("config", PRESETS, ids=config_name)
def test_gradients_are_the_same_bit_for_bit(config):
    plain = Transformer(dataclasses.replace(config, dropout=0.2))
    recomputed = copy.deepcopy(plain)
    recompute_blocks(recomputed)
    tokens = torch.randint(config.d_vocab, (3, config.n_ctx))
    for model in (plain, recomputed):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16):
            next_token_loss(model(tokens), tokens).backward()
    for (name, one), (_, other) in zip(plain.named_parameters(), recomputed.named_parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), name


def test_less_is_saved_for_the_backward_pass():
    config = dataclasses.replace(PRESETS[1], n_layers=6)
    plain, recomputed = Transformer(config), Transformer(config)
    recompute_blocks(recomputed)
    tokens = torch.randint(config.d_vocab, (4, config.n_ctx))
    assert saved_bytes(recomputed, tokens) < saved_bytes(plain, tokens) / 3


def test_a_run_with_it_is_the_run_without_it_and_its_model_is_copied_and_saved_as_any_other(tmp_path):
    training = dataclasses.replace(TRAINING, steps=4, eval_every=2)
    runs = [
        start(tmp_path / str(on), dataclasses.replace(training, gradient_checkpointing=on), dropout=0.1)
        for on in (False, True)
    ]
    for run in runs:
        list(run)
    assert same(*map(weights, runs))
    twin = copy.deepcopy(runs[1].model)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    tokens = torch.zeros(1, 4, dtype=torch.long)
    assert not twin(tokens).any()  # its own blocks
    assert runs[1].model(tokens).any()
