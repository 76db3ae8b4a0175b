"""The max-activating examples are the maxima of all windows."""

import pytest
import torch
from interpret_models import randomised
from model_configs import IMPLEMENTATIONS, SIZES

from llm.config import ModelConfig
from llm.interpret.max_activating_examples import max_activating_examples
from llm.interpret.recording import record


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_examples_are_the_maxima_of_all_windows(implementation):
    model = randomised(ModelConfig(**SIZES), implementation)
    stream = torch.randint(31, (16 * 7 + 5,))
    hidden = record(model, stream[:112].view(7, 16))["blocks.1.mlp.hidden"]  # [window, pos, d_mlp]
    for batch_size in (1, 3, 100):
        examples = max_activating_examples(model, 1, stream, count=4, batch_size=batch_size)
        torch.testing.assert_close(examples.activation, hidden.amax(dim=1).topk(4, dim=0).values)
        activation = hidden.flatten(0, 1).gather(0, examples.position)
        torch.testing.assert_close(activation, examples.activation)
    assert len(max_activating_examples(model, 1, stream, count=99).activation) == 7
    assert len(max_activating_examples(model, 1, stream[:9]).activation) == 1  # a shorter text is one window
    with pytest.raises(ValueError, match="got 117 tokens and count=0"):
        max_activating_examples(model, 1, stream, count=0)
    with pytest.raises(ValueError, match="got 0 tokens and count=10"):
        max_activating_examples(model, 1, stream[:0])
