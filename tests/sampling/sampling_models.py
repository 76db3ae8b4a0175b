"""Models whose next token a test decides."""

import dataclasses
import itertools
import math

import torch
from model_configs import BASE, causal, component_configs

from llm import Transformer
from llm.config import ModelConfig
from llm.tokenizers.char import CharTokenizer

TOKENIZER = CharTokenizer("\n abcdefghijklmnopqrstuvwxyzST")  # 30 characters
CONFIG = dataclasses.replace(BASE, d_vocab=30, n_ctx=9, positional="rope")
CONFIGS = [  # every position scheme with every head grouping among them
    dataclasses.replace(config, d_vocab=30, n_ctx=n_ctx)
    for config, n_ctx in zip(causal(component_configs()), itertools.cycle((7, 8)), strict=False)
]


def randomised(config: ModelConfig = CONFIG, implementation: str = "fused") -> Transformer:
    """A model in which every parameter matters, in float64."""
    torch.manual_seed(0)
    model = Transformer(config, implementation).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def scripted(tokens: list[int], d_vocab: int = TOKENIZER.d_vocab) -> Transformer:
    """A model that says these tokens, one after the other, whatever it reads."""
    model = randomised(dataclasses.replace(CONFIG, d_vocab=d_vocab))
    lines = iter(tokens)

    def say(module: object, inputs: object, logits: torch.Tensor) -> torch.Tensor:
        said = torch.zeros_like(logits)
        said[..., next(lines)] = 1
        return said

    model.hook_logits.register_forward_hook(say)
    return model


def softmax(scores: list[float]) -> list[float]:
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def kept(filtered: torch.Tensor, logits: torch.Tensor) -> list[int]:
    """The tokens that a filter left; it must have left their scores as they were, and ruled out the others."""
    left = filtered.isfinite()
    assert torch.equal(filtered[left], logits[left])
    assert (filtered[~left] == -torch.inf).all()
    return left.nonzero().flatten().tolist()
