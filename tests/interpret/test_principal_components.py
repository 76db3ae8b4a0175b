"""The map of the embeddings is their projection onto the directions of greatest variance."""

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES

from llm.config import ModelConfig
from llm.interpret.principal_components import embedding_axes, embedding_map
from llm.presets import preset


def test_a_map_keeps_the_directions_of_greatest_variance():
    model = randomised(ModelConfig(**SIZES))
    with torch.no_grad():  # two directions hold nearly everything, one nine times the other
        wide = torch.linalg.qr(torch.randn(24, 2, dtype=torch.float64)).Q
        along = torch.linalg.qr(torch.randn(31, 3, dtype=torch.float64)).Q
        along = torch.linalg.qr(along - along.mean(dim=0)).Q[:, :2] * torch.tensor([3.0, 1.0])
        model.embed.W_E.copy_(along @ wide.T + 5)
    result = embedding_map(model, 2)
    torch.testing.assert_close(result.explained_variance, torch.tensor([0.9, 0.1], dtype=torch.float64))
    torch.testing.assert_close(result.coordinates.abs(), along.abs())
    assert (result.coordinates.amax(dim=0) >= -result.coordinates.amin(dim=0)).all()
    torch.testing.assert_close(embedding_map(model, 24).explained_variance.sum().item(), 1.0)
    for dimensions in (0, 25):
        with pytest.raises(ValueError, match=f"dimensions must be 1 to d_model=24, got {dimensions}"):
            embedding_map(model, dimensions)


def test_a_map_along_another_models_axes_measures_variance_along_them():
    model, other = (randomised(preset("gpt", d_vocab=31, d_model=24, n_heads=6, n_layers=1, n_ctx=16)) for _ in "ab")
    axes = embedding_axes(other, 3)
    result = embedding_map(model, axes=axes)
    centred = model.embed.W_E.detach().double() - model.embed.W_E.detach().double().mean(dim=0)
    torch.testing.assert_close(result.coordinates, centred @ axes)
    assert float(result.explained_variance.sum()) < float(embedding_map(model, 3).explained_variance.sum())
    torch.testing.assert_close(embedding_map(other, axes=axes).coordinates, embedding_map(other, 3).coordinates)
