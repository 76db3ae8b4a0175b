"""The residual stream is the sum of what its components write."""

import torch
from interpret_models import randomised
from model_configs import every_config

from llm.interpret.decomposition import decompose
from llm.interpret.recording import record
from llm.interpret.residual_stream import residual_stream


@every_config
def test_fractions_of_the_residual_stream_sum_to_one(config):
    model = randomised(config)
    tokens = torch.randint(config.d_vocab, (2, 9))
    stream, recorded = residual_stream(model, tokens), record(model, tokens)
    torch.testing.assert_close(stream.fraction.sum(dim=0), torch.ones(2, 9, dtype=torch.float64))
    torch.testing.assert_close(stream.norm[0], recorded["embedding"].square().sum(dim=-1).sqrt())
    torch.testing.assert_close(stream.norm[-1], recorded["blocks.1.resid_post"].square().sum(dim=-1).sqrt())
    _, parts = decompose(model, tokens, heads=False, final_norm=False)
    torch.testing.assert_close(parts.sum(dim=0), recorded["blocks.1.resid_post"])
