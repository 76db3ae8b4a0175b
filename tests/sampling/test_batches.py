"""Many texts at once: each is the one that its prompt alone gives."""

import dataclasses

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sampling_models import CONFIG, CONFIGS, TOKENIZER, randomised

from llm import reading, sampling
from llm.config import SamplingConfig
from llm.sampling import generate, generate_batch
from llm.tokenizers import UnknownCharacterError

MODELS = [randomised(CONFIG), randomised(CONFIGS[1])]
prompts = st.lists(st.text("abfox ST\n", max_size=14), max_size=6)
PROMPTS = ["a fox", "", "the quick red fox jumps over it", "x", "a fox"]


def one_at_a_time(model, prompts, config):
    seeds = [None if config.seed is None else config.seed + number for number in range(len(prompts))]
    return [
        generate(model, TOKENIZER, prompt, dataclasses.replace(config, seed=seed))
        for prompt, seed in zip(prompts, seeds, strict=True)
    ]


@given(st.sampled_from(MODELS), prompts, st.integers(0, 20), st.sampled_from([0.0, 1.0]), st.sampled_from([1.0, 1.4]))
@example(MODELS[0], PROMPTS, 30, 0.0, 1.0)
@example(MODELS[1], PROMPTS, 30, 1.0, 1.0)
@settings(max_examples=15, deadline=None)
def test_texts_are_the_same_together_as_one_at_a_time(model, prompts, new, temperature, penalty):
    config = SamplingConfig(
        max_new_tokens=new, temperature=temperature, repetition_penalty=penalty, seed=3, stop=("fo", "T", "za")
    )
    assert generate_batch(model, TOKENIZER, prompts, config) == one_at_a_time(model, prompts, config)


@pytest.mark.parametrize("at_once", [2, 3])
def test_a_text_that_ends_makes_room_for_the_next_prompt(monkeypatch, at_once):
    monkeypatch.setattr(sampling, "AT_ONCE", at_once)
    monkeypatch.setattr(reading, "MAX_LOGITS", 400)  # few windows at a time
    config = SamplingConfig(max_new_tokens=40, temperature=1.0, seed=1, stop=("a", "x"))
    texts = generate_batch(MODELS[0], TOKENIZER, PROMPTS * 2, config)
    assert texts == one_at_a_time(MODELS[0], PROMPTS * 2, config)
    assert len({len(text) - len(prompt) for text, prompt in zip(texts, PROMPTS * 2, strict=True)}) > 3


def test_equal_prompts_continue_differently():
    texts = generate_batch(MODELS[0], TOKENIZER, ["fox"] * 4, SamplingConfig(max_new_tokens=20, seed=0))
    assert len(set(texts)) == 4
    assert len(set(generate_batch(MODELS[0], TOKENIZER, ["fox"] * 4, SamplingConfig(max_new_tokens=20)))) == 4


def test_a_model_with_a_hook_reads_each_text_by_itself():
    model = randomised()
    model.blocks[1].hook_mlp_out.register_forward_hook(lambda module, inputs, output: output * 2)
    config = SamplingConfig(max_new_tokens=12, temperature=0, seed=0)
    texts = generate_batch(model, TOKENIZER, PROMPTS, config)
    assert texts == one_at_a_time(model, PROMPTS, config) != one_at_a_time(randomised(), PROMPTS, config)


def test_an_unknown_character_in_any_prompt_is_reported():
    with pytest.raises(UnknownCharacterError, match="狐"):
        generate_batch(MODELS[0], TOKENIZER, ["fox", "a 狐"], SamplingConfig(max_new_tokens=2))
