"""Every figure works with vocabularies of a few tokens, or one."""

import math

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES

from llm.config import ModelConfig
from llm.interpret.head_scores import head_scores, induction_loss
from llm.interpret.logit_lens import logit_lens
from llm.interpret.nearest_tokens import nearest_tokens
from llm.interpret.neuron_effect import neuron_effect
from llm.interpret.principal_components import embedding_map
from llm.interpret.residual_stream import residual_stream


@pytest.mark.parametrize("d_vocab", [1, 2, 5])
def test_small_vocabularies_work(d_vocab):
    model = randomised(ModelConfig(**{**SIZES, "d_vocab": d_vocab}))
    token_ids = torch.arange(d_vocab)
    scores = head_scores(model, token_ids)
    assert ((scores.induction >= 0) & (scores.induction <= 1)).all()
    assert math.isfinite(induction_loss(model, token_ids).second)
    assert logit_lens(model, torch.zeros(1, 4, dtype=torch.long)).top_tokens.shape[-1] == min(5, d_vocab)
    assert torch.isfinite(embedding_map(model).coordinates).all()
    assert torch.isfinite(embedding_map(model).explained_variance).all()
    assert len(nearest_tokens(model, 0).tokens) == d_vocab - 1
    assert torch.isfinite(residual_stream(model, torch.zeros(1, 4, dtype=torch.long)).fraction).all()
    assert len(neuron_effect(model, 0, 0).raised) == min(10, d_vocab)
