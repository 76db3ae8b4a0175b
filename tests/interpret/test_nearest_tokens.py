"""The nearest tokens are those of greatest cosine similarity."""

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES

from llm.config import ModelConfig
from llm.interpret.nearest_tokens import nearest_tokens


def test_nearest_tokens_are_sorted_by_cosine_and_exclude_the_token_itself():
    model = randomised(ModelConfig(**SIZES))
    nearest = nearest_tokens(model, 4, count=30)
    embeddings = model.embed.W_E.detach()
    expected = torch.nn.functional.cosine_similarity(embeddings[4], embeddings, dim=-1)
    torch.testing.assert_close(nearest.cosines, expected[nearest.tokens])
    assert sorted([4, *nearest.tokens.tolist()]) == list(range(31))
    assert (nearest.cosines.diff() <= 0).all()
    assert len(nearest_tokens(model, 4, count=99).tokens) == 30
    with pytest.raises(ValueError, match="token 31 is not in the vocabulary"):
        nearest_tokens(model, 31)
