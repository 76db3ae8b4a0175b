"""Long figures are computed in parts, so that a training run can continue between them."""

import pytest
import torch
from interpret_models import randomised
from model_configs import SIZES

from llm.config import ModelConfig
from llm.interpret.activation_patching import Patch, activation_patching
from llm.interpret.copying import copying_scores
from llm.interpret.head_scores import head_scores
from llm.interpret.intervention import Intervention, ablation_effects, greedy_continuation, intervention_effect
from llm.interpret.logit_lens import logit_lens
from llm.interpret.loss_by_position import loss_by_position
from llm.interpret.max_activating_examples import max_activating_examples
from llm.interpret.neighbour_kinds import neighbour_kinds

IDS = torch.arange(31)
TOKENS = IDS[None, :7]
PATCHES = [[Patch("mlp_out", 0, (position,))] for position in range(7)]


@pytest.mark.parametrize(
    ("figure", "arguments", "parts"),
    [
        (logit_lens, (TOKENS,), 3),  # the embedding and each layer
        (head_scores, (IDS,), 2),  # each layer
        (copying_scores, (IDS[None, :16].repeat(3, 1), IDS[None, 1:17].repeat(3, 1), 2), 2 * 2),  # layers of batches
        (ablation_effects, (TOKENS,), 2 * 7),  # each head and MLP
        (intervention_effect, (TOKENS, Intervention()), 1),  # between the two models
        (greedy_continuation, ([1, 2], 5), 5),  # each token
        (activation_patching, (IDS[:7], IDS[7:14], (1, 2), PATCHES, 3), 3),  # batches of experiments
        (loss_by_position, (IDS[None, :16].repeat(5, 1), IDS[None, 1:17].repeat(5, 1), 2), 3),  # batches of windows
        (neighbour_kinds, ([0] * 31, [1, 2, 3]), 3),  # each token
        (max_activating_examples, (0, IDS.repeat(4), 10, 3), 3),  # batches of its 7 windows
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_long_figure_pauses_after_each_part_and_leaves_the_model_unchanged(figure, arguments, parts):
    model = randomised(ModelConfig(**SIZES))
    steps = figure.steps(model, *arguments)
    pauses = 0
    for _ in steps:
        pauses += 1
        assert torch.is_grad_enabled()
        assert not any(module._forward_hooks for module in model.modules())
    assert pauses == parts
