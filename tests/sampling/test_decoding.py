"""The fast decoding step: the model's own logits, or the model itself is asked."""

import dataclasses

import pytest
import torch
import toy_variants
from model_configs import causal, component_configs, config_name
from sampling_models import CONFIG, TOKENIZER, randomised

from llm import preset
from llm.config import SamplingConfig
from llm.decoding import decode_step
from llm.layers.attention import AttentionFused
from llm.layers.cache import KeyValueCache
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.position import REGISTRY as POSITIONS
from llm.presets import COURSE
from llm.reading import Reader
from llm.sampling import generate

PRESETS = [preset(name, d_vocab=30, d_model=24, n_heads=6, n_layers=2, n_ctx=8) for name in COURSE]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("config", causal(component_configs(d_vocab=30, n_ctx=8)) + PRESETS, ids=config_name)
def test_the_step_finds_the_models_logits_for_texts_of_different_lengths(config, dtype):
    model, rows = randomised(config).to(dtype), [[3, 4, 5, 6, 7, 8, 9, 1], [7, 8, 1], [9, 2]]
    tolerance = 1e-10 if dtype == torch.float64 else 1e-4
    for batch in ([rows[0]], [rows[1]], rows):
        step = decode_step(model, len(batch), config.n_ctx)
        assert step is not None
        for index, row in enumerate(batch):
            cache = KeyValueCache(config)
            with torch.no_grad():
                model(torch.tensor([row[:-1]]), cache)
            step.load(cache, [index])
        found = step([row[-1] for row in batch], [len(row) - 1 for row in batch])
        for row, logits in zip(batch, found, strict=True):
            with torch.no_grad():
                expected = model(torch.tensor([row]))[0, -1]
            torch.testing.assert_close(logits, expected, rtol=tolerance, atol=tolerance)


def asked(monkeypatch, model):
    """How many tokens the model itself read, of a prompt of 3 and 6 new tokens."""
    counts, ask = [], Reader._ask_model

    def count(self, unread):
        counts.append(len(unread))
        return ask(self, unread)

    monkeypatch.setattr(Reader, "_ask_model", count)
    generate(model, TOKENIZER, "fox", SamplingConfig(max_new_tokens=6, seed=0))
    return counts


def test_of_a_window_the_model_reads_the_first_tokens_and_the_step_the_others(monkeypatch):
    assert asked(monkeypatch, randomised()) == [3]


def test_a_model_with_a_hook_reads_every_token_itself(monkeypatch):
    model = randomised()
    model.blocks[1].hook_mlp_out.register_forward_hook(lambda module, inputs, output: output * 2)
    assert asked(monkeypatch, model) == [3, 1, 1, 1, 1, 1]


def test_a_registered_norm_and_bias_are_used_as_they_are(monkeypatch):
    monkeypatch.setitem(NORMS, "toy", toy_variants.NORM)
    monkeypatch.setitem(POSITIONS, "toy", toy_variants.POSITION)
    model = randomised(dataclasses.replace(CONFIG, norm="toy", positional="toy"))
    settings = SamplingConfig(max_new_tokens=20, temperature=1.0, seed=1)
    text = generate(model, TOKENIZER, "fox", settings)
    assert text == generate(model, TOKENIZER, "fox", settings, use_cache=False)


def test_a_forward_pass_that_was_edited_is_left_to_the_model(monkeypatch):
    forward = AttentionFused.forward
    monkeypatch.setattr(AttentionFused, "forward", lambda self, *inputs: forward(self, *inputs) * 1.01)
    assert asked(monkeypatch, randomised()) == [3, 1, 1, 1, 1, 1]


def test_weights_that_change_between_two_tokens_are_the_new_ones():
    model, tokens = randomised(), [3, 4, 5, 6, 7]
    reader = Reader(model, use_cache=True)
    reader.next_logits(tokens[:3])
    reader.next_logits(tokens[:4])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
        expected = model(torch.tensor([tokens]))[0, -1]
    torch.testing.assert_close(reader.next_logits(tokens), expected, rtol=0, atol=1e-10)
