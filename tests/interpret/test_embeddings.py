"""Figures of the embeddings are what their formulas say."""

import pytest
import torch
from interpret_models import randomised
from model_configs import IMPLEMENTATIONS, SIZES

from llm.config import ModelConfig
from llm.interpret.embeddings import (
    distance_curves,
    embedding_axes,
    embedding_map,
    nearest_tokens,
    position_cosines,
)
from llm.layers.position import REGISTRY as POSITIONS
from llm.presets import preset


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
        with pytest.raises(ValueError, match=f"dimensions must be 1 to d_model=24, got {dimensions}"):
            embedding_map(model, dimensions)


def test_a_map_on_anothers_axes_is_measured_along_them():
    model, other = (randomised(preset("gpt", d_vocab=31, d_model=24, n_heads=6, n_layers=1, n_ctx=16)) for _ in "ab")
    axes = embedding_axes(other, 3)
    found = embedding_map(model, axes=axes)
    centred = model.embed.W_E.detach().double() - model.embed.W_E.detach().double().mean(dim=0)
    torch.testing.assert_close(found.coordinates, centred @ axes)
    assert float(found.explained_variance.sum()) < float(embedding_map(model, 3).explained_variance.sum())
    torch.testing.assert_close(embedding_map(other, axes=axes).coordinates, embedding_map(other, 3).coordinates)


def test_neighbours_are_by_cosine_and_never_oneself():
    model = randomised(ModelConfig(**SIZES))
    found = nearest_tokens(model, 4, count=30)
    embeddings = model.embed.W_E.detach()
    expected = torch.nn.functional.cosine_similarity(embeddings[4], embeddings, dim=-1)
    torch.testing.assert_close(found.cosines, expected[found.tokens])
    assert sorted([4, *found.tokens.tolist()]) == list(range(31))
    assert (found.cosines.diff() <= 0).all()
    assert len(nearest_tokens(model, 4, count=99).tokens) == 30
    with pytest.raises(ValueError, match="token 31 is not in the vocabulary"):
        nearest_tokens(model, 31)


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
    with pytest.raises(
        ValueError, match=f"positional must be one of rope, alibi to act by distance, got '{positional}'"
    ):
        distance_curves(model)


def test_rotary_curves_are_what_rotation_does_to_a_dot_product():
    config = ModelConfig(**SIZES, positional="rope")
    rotated = POSITIONS["rope"].classes("einops")(config)(
        torch.eye(8, dtype=torch.float64)[None, :, None].expand(1, 8, 16, 8)
    )
    curves = distance_curves(randomised(config))
    assert curves.shape == (4, 16)
    for pair in range(4):
        by_distance = rotated[0, pair] @ rotated[0, pair, 0]
        torch.testing.assert_close(curves[pair], by_distance)
    with pytest.raises(
        ValueError, match="positional must be one of learned, sinusoidal to have position vectors, got 'rope'"
    ):
        position_cosines(randomised(config))


def test_alibi_curves_are_the_bias_that_is_added():
    config = ModelConfig(**SIZES, positional="alibi")
    bias = POSITIONS["alibi"].classes("einops")(config)(16, 16)
    torch.testing.assert_close(distance_curves(randomised(config)), bias[:, -1].flip(-1).double())
