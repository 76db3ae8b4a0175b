"""The last row of the logit lens is the model's output."""

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES, every_config_in_some_implementation

from llm.config import ModelConfig
from llm.interpret.logit_lens import lens_logits, logit_lens
from llm.interpret.recording import record


@every_config_in_some_implementation
def test_the_last_lens_row_is_the_models_output(config, implementation):
    model = randomised(config, implementation)
    tokens = torch.randint(config.d_vocab, (2, 9))
    logits = model(tokens).detach()
    last = record(model, tokens, ["resid_post"])[f"blocks.{config.n_layers - 1}.resid_post"]
    assert torch.equal(lens_logits(model, last), logits)
    lens = logit_lens(model, tokens, top=3)
    assert lens.top_tokens.shape == (config.n_layers + 1, 2, 9, 3)
    assert torch.equal(lens.top_tokens[-1], logits.topk(3).indices)
    truth = logits[:, :-1].softmax(dim=-1).gather(2, tokens[:, 1:, None])[..., 0]
    assert torch.equal(lens.true_probability[-1], truth)
    order = logits[:, :-1].argsort(dim=-1, descending=True)
    assert torch.equal(order.gather(2, lens.true_rank[-1][..., None] - 1)[..., 0], tokens[:, 1:])


def test_lens_rows_are_the_embedding_and_each_layer():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (2, 9))
    recorded, lens = record(model, tokens), logit_lens(model, tokens)
    for row, name in enumerate(("embedding", "blocks.0.resid_post", "blocks.1.resid_post")):
        expected = model.unembed(model.final_norm(recorded[name])).softmax(dim=-1).topk(5)
        assert torch.equal(lens.top_tokens[row], expected.indices)


def test_a_lens_shows_at_most_d_vocab_tokens():
    model = randomised(ModelConfig(**{**SIZES, "d_vocab": 3}))
    assert logit_lens(model, torch.tensor([[0, 1, 2]]), top=5).top_tokens.shape == (3, 1, 3, 3)
    assert logit_lens(model, torch.tensor([[0]])).true_rank.shape == (3, 1, 0)
    with pytest.raises(ValueError, match="top must be 1 or more, got 0"):
        logit_lens(model, torch.tensor([[0, 1, 2]]), top=0)
