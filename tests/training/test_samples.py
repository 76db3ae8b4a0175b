"""Samples during training: prompts that the training text does not contain, another one at each evaluation."""

import dataclasses
from pathlib import Path

import torch

from llm import Transformer, preset
from llm.config import TrainingConfig
from llm.data import TextData, split_text
from llm.tokenizers import CharTokenizer, build_tokenizer
from llm.training.evaluators import checked, sample, sample_prompts

TEXT = (Path(__file__).parents[2] / "training.txt").read_text()
CONFIG = TrainingConfig(sample_tokens=2, eval_every=5)


def prompts_of(text: str, kind: str = "char") -> list[str]:
    tokenizer = CharTokenizer("".join(sorted(set(text)))) if kind == "char" else build_tokenizer(kind, text, 300)
    return sample_prompts(tokenizer, TextData.from_text(text, tokenizer, 16), CONFIG)


def test_the_default_texts_prompts_do_not_occur_in_its_training_part():
    train, validation, _ = split_text(TEXT)
    prompts = prompts_of(TEXT)
    assert len(set(prompts)) == 4
    for prompt in prompts:
        assert prompt in validation
        assert prompt not in train


def test_a_prompt_is_as_long_as_it_takes_to_be_new():
    told = "Once upon a time there was a fox who saw many small birds and went home to sleep.\n\n"
    new = "Once upon a time there was a fox who met seven bears.\n\n"
    text = told * 92 + new + told * 7  # the validation part begins after nine tenths
    for kind in ("char", "bpe"):
        (prompt,) = prompts_of(text, kind)
        assert prompt == "Once upon a time there was a fox who met seven"[: len(prompt)]
        assert len(prompt) > len("Once upon a time there was a fox who")
        assert prompt not in split_text(text).train


def test_each_evaluation_continues_another_prompt_with_another_seed():
    tokenizer = CharTokenizer("abcde ")
    torch.manual_seed(0)
    model = Transformer(preset("gpt", size="small", d_vocab=tokenizer.d_vocab, n_layers=1, n_ctx=16))
    measure = sample(tokenizer, ["aa", "bb"], dataclasses.replace(CONFIG, sample_tokens=12))
    texts = [measure(model, step)["sample"] for step in (0, 5, 10, 12)]
    assert [text[:2] for text in texts] == ["aa", "bb", "aa", "bb"]
    assert len({text[2:] for text in texts}) == 4
    assert measure(model, 5)["sample"] == texts[1]


def test_sentences_of_the_prompt_are_not_the_models():
    first, second = TEXT.split(". ")[:2]
    prompt = f"{first}. {second[:5]}"

    def well_formed(written: str) -> float | None:
        return checked(lambda model, step: {"sample": prompt + written}, [prompt, "other"])(None, 0)["well_formed"]

    assert well_formed("jkx qq vv") is None
    assert well_formed("jkx qq. Vv abc") == 0
    assert well_formed(f"{second[5:]}. ") == 1
