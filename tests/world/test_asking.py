import itertools
import math
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from llm import Transformer, preset
from llm.tokenizers import build_tokenizer
from llm.world.asking import EASY, PLAIN_NAMES, SKILLS, first_probes, probes
from llm.world.checker import check
from llm.world.skills import skills

TRAINING_TEXT = (Path(__file__).parents[2] / "training.txt").read_text()
COUNT = 200


def test_at_least_twelve_skills_each_with_a_line():
    assert len(SKILLS) >= 12
    assert all("\n" not in line and len(line) > 20 for line in SKILLS.values())
    assert SKILLS.keys() == PLAIN_NAMES.keys() >= EASY


@pytest.mark.parametrize("skill", SKILLS)
def test_no_context_occurs_in_the_training_text(skill):
    for probe in first_probes(skill, COUNT):
        assert probe.context not in TRAINING_TEXT


@pytest.mark.parametrize("skill", SKILLS)
def test_right_and_wrong_are_balanced_and_differ_little(skill):
    pairs = first_probes(skill, COUNT)
    assert len(set(pairs)) == COUNT
    for pair in pairs:
        assert pair.right != pair.wrong
        assert pair.context
    if skill != "articles":  # there it is the articles that are balanced, whatever noun follows
        assert Counter(pair.right for pair in pairs) == Counter(pair.wrong for pair in pairs)


@pytest.mark.parametrize("skill", SKILLS)
def test_same_seed_asks_the_same_and_another_seed_asks_something_else(skill):
    first, again, other = (list(itertools.islice(probes(skill, seed), 20)) for seed in (3, 3, 4))
    assert first == again
    assert len({probe.context for probe in first} & {probe.context for probe in other}) < 3


@pytest.mark.parametrize("skill", ["facts", "agreement", "tenses", "rhymes", "riddles", "pronouns"])
def test_right_continuations_are_of_the_world(skill):
    for probe in first_probes(skill, 40):
        read = check(probe.context + probe.right + "\n").sentences
        assert all(sentence.well_formed for sentence in read[:-1])


def words(text: str) -> list[str]:
    """Words, marks and line breaks."""
    return re.findall(r"[A-Za-z0-9']+|\n|[^\sA-Za-z0-9']+", text)


@pytest.fixture(scope="module")
def counts() -> tuple[Counter, Counter]:
    told = words(TRAINING_TEXT)
    return Counter(told), Counter(itertools.pairwise(told))


@pytest.mark.parametrize("skill", SKILLS)
def test_counting_words_does_not_answer_the_skill(skill, counts):
    """Unigram and bigram models of whole words; the next test has those of tokens."""
    singles, twos = counts
    right = {"unigram": 0.0, "bigram": 0.0}
    pairs = first_probes(skill, COUNT)
    for pair in pairs:
        scores = []
        for continuation in (pair.right, pair.wrong):
            told = words(pair.context + continuation)
            start = len(words(pair.context))
            start -= words(pair.context) != told[:start]  # a mark that the continuation makes longer
            unigram = sum(math.log(singles[word] + 0.01) for word in told[start:])
            bigram = sum(
                math.log((twos[told[i - 1], told[i]] + 0.01) / (singles[told[i - 1]] + 1))
                for i in range(start, len(told))
            )
            scores.append((unigram, bigram))
        for place, name in enumerate(right):
            good, bad = scores[0][place], scores[1][place]
            right[name] += (good > bad) + 0.5 * (good == bad)
    for name, number in right.items():
        if not (name == "bigram" and skill == "articles"):
            assert abs(number / COUNT - 0.5) < 0.12, (name, number / COUNT)


class Counted(nn.Module):
    """A unigram model of the training text's tokens, or a bigram one that falls back on it after unknown ones."""

    def __init__(self, tokens: list[int], d_vocab: int, bigram: bool) -> None:
        super().__init__()
        single = torch.bincount(torch.tensor(tokens), minlength=d_vocab) + 0.01
        single = single + 1e-4 * torch.rand(d_vocab, generator=torch.Generator().manual_seed(0))  # no two are the same
        counts = (single / single.sum()).repeat(d_vocab, 1)
        if bigram:
            for (before, after), count in Counter(itertools.pairwise(tokens)).items():
                counts[before, after] += count
        self.register_buffer("log_p", (counts / counts.sum(dim=1, keepdim=True)).log())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.log_p[tokens]


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer("bpe", TRAINING_TEXT, 512)


@pytest.fixture(scope="module")
def counted(tokenizer):
    tokens = tokenizer.encode(TRAINING_TEXT)
    return {name: Counted(tokens, tokenizer.d_vocab, name == "bigram") for name in ("unigram", "bigram")}


def test_untrained_unigram_and_bigram_models_score_near_one_half(tokenizer, counted):
    torch.manual_seed(0)
    untrained = Transformer(preset("llama", d_vocab=tokenizer.d_vocab, n_layers=1, d_model=32, n_heads=2))
    for name, model in {**counted, "untrained": untrained}.items():
        scores = skills(model, tokenizer, count=COUNT if name != "untrained" else 50)
        assert scores.keys() == SKILLS.keys()
        for skill, score in scores.items():
            if name == "bigram" and skill == "articles":
                assert score.accuracy > 0.9, (name, skill, score)
            else:
                assert abs(score.accuracy - 0.5) < (0.1 if name != "untrained" else 0.25), (name, skill, score)
        fair = [score.accuracy for skill, score in scores.items() if skill != "articles"]
        assert abs(sum(fair) / len(fair) - 0.5) < 0.03, name


@pytest.mark.parametrize(("skill", "seed", "named"), [("juggling", 0, "juggling"), ("days", -1, "got -1")])
def test_impossible_arguments_are_named(skill, seed, named):
    with pytest.raises(ValueError, match=named):
        probes(skill, seed)
