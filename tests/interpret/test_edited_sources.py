"""A model that was opened before an edit of the source has modules of classes that the reloaded code does not know."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys

import torch

from llm.model import Transformer
from llm.presets import preset


def figures(model):
    from llm.interpret.ablation import ablate
    from llm.interpret.direct_logit_attribution import direct_logit_attribution
    from llm.interpret.neuron_effect import neuron_effect
    from llm.interpret.recording import record

    result = direct_logit_attribution(model, tokens, (1, 2))
    assert torch.allclose(result.values.sum(0), result.logit_difference, atol=1e-4)
    recorded = record(model, tokens)
    with ablate(model, heads=[(0, 1)]) as ablated:
        altered = ablated(tokens)
    effect = neuron_effect(model, 0, 3).raised_by
    return {**recorded, "attribution": result.values, "effect": effect, "altered": altered}


torch.manual_seed(0)
settings = dict(d_vocab=11, d_model=16, n_layers=2, n_heads=2, n_ctx=8, qk_norm=True)
models = [
    Transformer(preset(architecture, norm_position=position, **settings)).eval()
    for architecture in ("gpt", "olmo") for position in ("pre", "post")
]
tokens = torch.arange(6)[None]
before = [figures(model) for model in models]
for name in [name for name in sys.modules if name.partition(".")[0] == "llm"]:
    del sys.modules[name]  # as a server does that reloads edited files
for model, old in zip(models, before):
    new = figures(model)
    assert old.keys() == new.keys(), (model.config, old.keys() ^ new.keys())
    assert all(torch.equal(old[name], new[name]) for name in old), model.config
"""


def test_figures_of_an_open_model_are_the_same_after_a_reload():
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
