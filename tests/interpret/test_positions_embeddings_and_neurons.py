"""Figures of weights and of long texts are what their formulas say."""

import math

import pytest
import torch
from interpret_models import randomised
from model_configs import IMPLEMENTATIONS, SIZES, every_config

from llm.config import ModelConfig
from llm.interpret import (
    distance_curves,
    embedding_map,
    excitations,
    head_scores,
    in_context_score,
    induction_loss,
    lens,
    loss_by_position,
    nearest,
    neuron_effect,
    position_cosines,
    record,
    residual_stream,
)
from llm.interpret.embeddings import embedding_axes
from llm.layers.position import ALIBI, ROTARY
from llm.presets import preset


@every_config
def test_losses_by_position_average_to_the_loss(config):
    model = randomised(config)
    inputs, targets = torch.randint(config.d_vocab, (2, 5, 16))
    found = loss_by_position(model, inputs, targets, batch_size=2)
    losses = torch.nn.functional.cross_entropy(model(inputs).transpose(1, 2), targets, reduction="none")
    torch.testing.assert_close(found, losses.mean(dim=0))


def test_losses_need_a_target_for_each_input():
    with pytest.raises(ValueError, match=r"inputs \[1, 4\] and targets \[1, 3\]"):
        loss_by_position(
            randomised(ModelConfig(**SIZES)), torch.ones(1, 4, dtype=torch.long), torch.ones(1, 3, dtype=torch.long)
        )


def test_the_in_context_score_is_late_minus_early():
    falling = -torch.arange(100.0)
    assert in_context_score(falling).score == -80  # loss[90] − loss[10]
    assert in_context_score(falling).published is None
    assert in_context_score(-torch.arange(500.0)).published is None
    assert in_context_score(-torch.arange(501.0)).published == -450
    assert in_context_score(torch.zeros(1)).score == 0


def test_a_map_keeps_what_varies_most():
    model = randomised(ModelConfig(**SIZES))
    with torch.no_grad():  # two directions hold nearly everything, one nine times the other
        wide = torch.linalg.qr(torch.randn(24, 2, dtype=torch.float64)).Q
        along = torch.linalg.qr(torch.randn(31, 3, dtype=torch.float64)).Q
        along = torch.linalg.qr(along - along.mean(dim=0)).Q[:, :2] * torch.tensor([3.0, 1.0])
        model.embed.W_E.copy_(along @ wide.T + 5)
    found = embedding_map(model, 2)
    torch.testing.assert_close(found.explained_variance, torch.tensor([0.9, 0.1], dtype=torch.float64))
    torch.testing.assert_close(found.coordinates.abs(), along.abs())
    assert (found.coordinates.amax(dim=0) >= -found.coordinates.amin(dim=0)).all()
    torch.testing.assert_close(embedding_map(model, 24).explained_variance.sum().item(), 1.0)
    for dimensions in (0, 25):
        with pytest.raises(ValueError, match=rf"dimensions={dimensions} is not possible.*d_model=24"):
            embedding_map(model, dimensions)


def test_neighbours_are_by_cosine_and_never_oneself():
    model = randomised(ModelConfig(**SIZES))
    found = nearest(model, 4, count=30)
    embeddings = model.embed.W_E.detach()
    expected = torch.nn.functional.cosine_similarity(embeddings[4], embeddings, dim=-1)
    torch.testing.assert_close(found.cosines, expected[found.tokens])
    assert sorted([4, *found.tokens.tolist()]) == list(range(31))
    assert (found.cosines.diff() <= 0).all()
    assert len(nearest(model, 4, count=99).tokens) == 30
    with pytest.raises(ValueError, match="token 31 is not in the vocabulary"):
        nearest(model, 31)


@pytest.mark.parametrize("positional", ["learned", "sinusoidal"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_added_positions_have_cosines(positional, implementation):
    model = randomised(ModelConfig(**SIZES, positional=positional), implementation)
    cosines = position_cosines(model)
    assert cosines.shape == (16, 16)
    torch.testing.assert_close(cosines.diagonal(), torch.ones(16, dtype=torch.float64))
    if positional == "sinusoidal":  # P[p] · P[q] = Σ_i cos((p − q) ω_i), and |P|² = d_model / 2
        frequencies = 10000 ** (-torch.arange(0, 24, 2, dtype=torch.float64) / 24)
        torch.testing.assert_close(cosines[3, 8], (5 * frequencies).cos().mean())
    with pytest.raises(ValueError, match=f"positional='{positional}' does not act by distance"):
        distance_curves(model)


def test_rotary_curves_are_what_rotation_does_to_a_dot_product():
    config = ModelConfig(**SIZES, positional="rope")
    rotated = ROTARY["einops"](config)(torch.eye(8, dtype=torch.float64)[None, :, None].expand(1, 8, 16, 8))
    curves = distance_curves(randomised(config))
    assert curves.shape == (4, 16)
    for pair in range(4):
        by_distance = rotated[0, pair] @ rotated[0, pair, 0]
        torch.testing.assert_close(curves[pair], by_distance)
    with pytest.raises(ValueError, match="positional='rope' adds no position vectors"):
        position_cosines(randomised(config))


def test_alibi_curves_are_the_bias_that_is_added():
    config = ModelConfig(**SIZES, positional="alibi")
    bias = ALIBI["einops"](config)(16, 16)
    torch.testing.assert_close(distance_curves(randomised(config)), bias[:, -1].flip(-1).double())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_excitations_are_the_peaks_of_all_windows(implementation):
    model = randomised(ModelConfig(**SIZES), implementation)
    stream = torch.randint(31, (16 * 7 + 5,))
    hidden = record(model, stream[:112].view(7, 16))["blocks.1.mlp.hidden"]  # [window, pos, d_mlp]
    for batch_size in (1, 3, 100):
        found = excitations(model, 1, stream, count=4, batch_size=batch_size)
        torch.testing.assert_close(found.activation, hidden.amax(dim=1).topk(4, dim=0).values)
        at = hidden.flatten(0, 1).gather(0, found.position)
        torch.testing.assert_close(at, found.activation)
    assert len(excitations(model, 1, stream, count=99).activation) == 7
    assert len(excitations(model, 1, stream[:9]).activation) == 1  # a text shorter than a window is one
    for options in ({"window": 17}, {"count": 0}):
        with pytest.raises(ValueError, match="are not possible: a window is 1 to n_ctx=16"):
            excitations(model, 1, stream, **options)
    with pytest.raises(ValueError, match="window=0"):
        excitations(model, 1, stream[:0])


@every_config
def test_a_neurons_effect_is_what_its_activity_changes_directly(config):
    """One unit more of the last layer's neuron, at the frozen scale of the run, moves every logit by effect / σ."""
    model = randomised(config)
    found = neuron_effect(model, 1, 7, count=31)
    assert found.raised.shape == (31,)
    effect = torch.empty(31, dtype=torch.float64)
    effect[found.raised] = found.raised_by
    assert torch.equal(found.lowered_by, effect[found.lowered])
    norm = model.final_norm if config.norm_position == "pre" else model.blocks[1].norm_mlp
    vector = torch.randn(24, dtype=torch.float64)
    written = model.blocks[1].mlp.W_out[7]
    centred = config.norm == "layernorm"
    spread = (vector.var(unbiased=False) if centred else vector.square().mean()).add(config.norm_eps).sqrt()
    direction = written - written.mean() if centred else written
    expected = direction / spread * norm.w @ model.unembed.matrix()
    torch.testing.assert_close(effect / spread, expected.detach())


def test_a_neurons_effect_refuses_what_is_not_there():
    with pytest.raises(ValueError, match="neuron 20 does not exist: a layer's neurons are 0 to 19"):
        neuron_effect(randomised(ModelConfig(**SIZES)), 0, 20)


@pytest.mark.parametrize("d_vocab", [1, 2, 5])
def test_small_vocabularies_work(d_vocab):
    model = randomised(ModelConfig(**{**SIZES, "d_vocab": d_vocab}))
    occurring = torch.arange(d_vocab)
    scores = head_scores(model, occurring)
    assert ((scores.induction >= 0) & (scores.induction <= 1)).all()
    assert math.isfinite(induction_loss(model, occurring).second)
    assert lens(model, torch.zeros(1, 4, dtype=torch.long)).top_tokens.shape[-1] == min(5, d_vocab)
    assert torch.isfinite(embedding_map(model).coordinates).all()
    assert torch.isfinite(embedding_map(model).explained_variance).all()
    assert len(nearest(model, 0).tokens) == d_vocab - 1
    assert torch.isfinite(residual_stream(model, torch.zeros(1, 4, dtype=torch.long)).share).all()
    assert len(neuron_effect(model, 0, 0).raised) == min(10, d_vocab)


def test_a_map_on_anothers_axes_is_measured_along_them():
    model, other = (randomised(preset("gpt", d_vocab=31, d_model=24, n_heads=6, n_layers=1, n_ctx=16)) for _ in "ab")
    axes = embedding_axes(other, 3)
    found = embedding_map(model, axes=axes)
    centred = model.embed.W_E.detach().double() - model.embed.W_E.detach().double().mean(dim=0)
    torch.testing.assert_close(found.coordinates, centred @ axes)
    assert float(found.explained_variance.sum()) < float(embedding_map(model, 3).explained_variance.sum())
    torch.testing.assert_close(embedding_map(other, axes=axes).coordinates, embedding_map(other, 3).coordinates)
