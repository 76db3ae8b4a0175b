"""The circuits of a copying head: exact on a model built by hand, and the same numbers as from the plain matrices."""

import math

import pytest
import torch
from interpret_models import induction_model, randomised
from model_configs import component_configs, config_name, every_config

from llm.interpret.copying_circuit import (
    circuit_pair,
    embedding_as_read,
    matched_tokens,
    norms_after,
    own_ranks,
    written_tokens,
)
from llm.interpret.recording import record

IDS = torch.arange(20)
# layer 0 reads a token's embedding and nothing else, and its heads add no bias
PLAIN = component_configs(bias=False, qkv_bias=False)
ALONE = [config for config in PLAIN if config.positional not in ("learned", "sinusoidal")]


def test_the_hand_built_head_looks_for_its_own_token_and_writes_the_one_it_finds():
    model = induction_model()
    read = (1 / model.config.d_model + model.config.norm_eps) ** -0.5  # RMSNorm makes a one-hot vector this long
    matched = matched_tokens(model, (0, 0), (1, 0), IDS)
    torch.testing.assert_close(matched, torch.eye(20) * (10 * read) ** 2 / math.sqrt(20), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(written_tokens(model, (1, 0), IDS), torch.eye(20) * 10 * read, rtol=1e-4, atol=1e-3)
    for scores in (matched, written_tokens(model, (1, 0), IDS)):
        assert own_ranks(scores, IDS).tolist() == [1] * 20
    other = matched_tokens(model, (0, 1), (1, 0), IDS)  # a head of zeros leaves no note
    assert float(other.abs().max()) == 0


def test_the_pair_has_the_greatest_product_of_scores_in_two_layers():
    previous = torch.tensor([[0.2, 0.9], [0.1, 0.8], [0.99, 0.3]])
    copying = torch.tensor([[0.99, 0.0], [0.2, 0.1], [0.3, 0.6]])
    assert circuit_pair(previous, copying) == ((0, 1), (2, 1))
    with pytest.raises(ValueError, match="takes two layers, one after the other: this model has one"):
        circuit_pair(previous[:1], copying[:1])


@pytest.mark.parametrize("config", ALONE, ids=config_name)
def test_a_first_layers_head_writes_for_a_token_what_it_writes_when_it_reads_that_token_alone(config):
    model = randomised(config, "einops")
    tokens = torch.arange(6)
    recorded = record(model, tokens[:, None], ["blocks.0.attention.head_output"])["blocks.0.attention.head_output"]
    for head in range(config.n_heads):
        vectors = recorded[:, 0, head]  # [token, d_model]
        for norm in norms_after(model, 0, None):
            vectors = norm.direction(vectors)
        expected = vectors @ model.unembed.matrix()
        torch.testing.assert_close(written_tokens(model, (0, head), tokens), expected)


@every_config
def test_matches_are_the_products_of_the_plain_matrices(config):
    model = randomised(config)
    tokens, distance = torch.tensor([3, 0, 7]), 5
    previous, copying = (0, config.n_heads - 1), (1, 2)
    group = config.n_heads // config.n_kv_heads
    first, second = (block.attention for block in model.blocks)
    note = embedding_as_read(model, 0) @ first.W_V[previous[1] // group].T @ first.W_O[previous[1]]
    for norm in norms_after(model, 0, 1):
        centred = note - note.mean(dim=-1, keepdim=True) if config.norm != "rmsnorm" else note
        note = norm.times_gamma(centred)
    key = note @ second.W_K[2 // group].T
    query = embedding_as_read(model, 1)[tokens] @ second.W_Q[2].T
    if config.qk_norm:
        gamma_query, gamma_key, mean_square = second.norm_query.w, second.norm_key.w, query.square().mean(-1)
        if config.qk_norm_over == "all_heads":
            gamma_query, gamma_key = gamma_query[2], gamma_key[2 // group]
            every_head = embedding_as_read(model, 1)[tokens] @ second.W_Q.flatten(end_dim=1).T
            mean_square = every_head.square().mean(-1)
        key = key * gamma_key
        query = query / (mean_square[:, None] + config.norm_eps).sqrt() * gamma_query
    if second.rotation is not None:  # a dot product depends on the distance alone
        query = torch.cat([second.rotation(one[None, None, None], distance)[0, 0] for one in query])
    expected = query @ key.T / math.sqrt(config.d_head)
    torch.testing.assert_close(matched_tokens(model, previous, copying, tokens, distance), expected.detach())


def test_heads_that_cannot_form_a_circuit_are_refused():
    model = induction_model()
    with pytest.raises(ValueError, match="must be in a later layer than 1, got layer 0"):
        matched_tokens(model, (1, 0), (0, 0), IDS)
    for heads in (((0, 2), (1, 0)), ((0, 0), (2, 0))):
        with pytest.raises(ValueError, match="does not exist"):
            matched_tokens(model, *heads, IDS)
    with pytest.raises(ValueError, match="head 2 does not exist"):
        written_tokens(model, (1, 2), IDS)
