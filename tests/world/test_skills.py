import math
from pathlib import Path

import pytest
import torch
from torch import nn

from llm import Transformer, preset
from llm.tokenizers import CharTokenizer, build_tokenizer
from llm.world.asking import EASY, SKILLS, first_probes
from llm.world.skills import in_percent, interval, is_world_text, skills, standard_error

TEXT = (Path(__file__).parents[2] / "training.txt").read_text()


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer("bpe", TEXT)


class ModuloModel(nn.Module):
    """Gives token v the logit v mod 7, whatever came before (it adds a number that is the same for all tokens)."""

    def __init__(self, d_vocab: int) -> None:
        super().__init__()
        self.d_vocab = d_vocab

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        scores = (torch.arange(self.d_vocab) % 7).float() + tokens[..., None] % 3
        return scores.expand(*tokens.shape, self.d_vocab)


def test_accuracy_is_the_fraction_of_pairs_whose_right_side_is_likelier(tokenizer):
    model = ModuloModel(tokenizer.d_vocab)
    expected = []
    for pair in first_probes("sizes", 10):
        sums = []
        for continuation in (pair.right, pair.wrong):
            context, told = tokenizer.encode(pair.context), tokenizer.encode(continuation)
            log_p = model(torch.tensor([context + told[:-1]]))[0].log_softmax(-1)
            sums.append(sum(log_p[len(context) - 1 + place, token].item() for place, token in enumerate(told)))
        expected.append(sums[0] > sums[1])
    score = skills(model, tokenizer, count=10, names=["sizes"])["sizes"]
    accuracy = sum(expected) / 10
    assert score.accuracy == accuracy
    adjusted = (sum(expected) + 2) / 14
    assert score.standard_error == pytest.approx(math.sqrt(adjusted * (1 - adjusted) / 14))
    assert score.pairs == 10


def test_all_pairs_right_are_not_certainty():
    assert standard_error(1.0, 10) == pytest.approx(0.0935, abs=1e-4)
    assert standard_error(1.0, 50) == pytest.approx(standard_error(0.0, 50)) == pytest.approx(0.0257, abs=1e-4)
    assert standard_error(0.5, 10**6) == pytest.approx(0.5 / 1000, rel=1e-3)


def test_easy_skills_are_those_that_a_look_up_of_the_last_characters_solves():
    """The twenty characters before the question and each answer, as often as the text has them; none: half a point."""
    solved = set()
    for skill in SKILLS:
        points = 0.0
        for pair in first_probes(skill, 100):
            before = pair.context[-20:]
            right = wrong = 0
            if before in TEXT:  # far faster than to count both answers, of which there are mostly none
                right, wrong = (TEXT.count(before + answer) for answer in (pair.right, pair.wrong))
            points += 0.5 if right == wrong else right > wrong
        if points / 100 > 0.7:
            solved.add(skill)
    assert solved == EASY


def test_long_contexts_keep_their_end_and_training_mode_comes_back(tokenizer):
    model = Transformer(preset("gpt", size="small", d_vocab=tokenizer.d_vocab, n_layers=1, n_ctx=16)).train()
    scores = skills(model, tokenizer, count=4, names=["holder_three", "rhymes"])
    assert scores.keys() == {"holder_three", "rhymes"}
    assert model.training


def test_batches_do_not_change_a_likelihood(tokenizer, monkeypatch):
    torch.manual_seed(0)
    model = Transformer(preset("llama", size="small", d_vocab=tokenizer.d_vocab, n_layers=1)).double()
    together = skills(model, tokenizer, count=20, names=["recall", "days"])
    monkeypatch.setattr("llm.world.skills._ROWS", 1)
    assert skills(model, tokenizer, count=20, names=["recall", "days"]) == together


def test_skills_that_a_tokenizer_cannot_express_are_left_out():
    letters = CharTokenizer("".join(sorted(set(TEXT) - set("0123456789"))))
    scores = skills(ModuloModel(letters.d_vocab), letters, count=20, names=["large_sums", "days"])
    assert scores.keys() == {"days"}


@pytest.mark.parametrize(
    ("arguments", "named"), [({"names": ["juggling"]}, "juggling"), ({"count": 0}, "count must be 1 or more, got 0")]
)
def test_impossible_arguments_are_named(tokenizer, arguments, named):
    with pytest.raises(ValueError, match=named):
        skills(ModuloModel(tokenizer.d_vocab), tokenizer, **arguments)


def test_the_world_recognises_its_own_text():
    assert is_world_text(TEXT)
    assert not is_world_text("It was the best of times, it was the worst of times. " * 100)
    assert not is_world_text("")


@pytest.mark.parametrize("pairs", [10, 50])
def test_the_interval_holds_every_fraction_that_could_well_have_given_the_accuracy(pairs):
    for right in range(pairs + 1):
        low, high = interval(right / pairs, pairs)
        assert 0 <= low <= right / pairs <= high <= 1
        # its ends are the fractions p from which the accuracy is 1.96 of p's own standard errors away
        for end in {low, high} - {0.0, 1.0}:
            assert abs(right / pairs - end) == pytest.approx(1.96 * math.sqrt(end * (1 - end) / pairs), abs=1e-9)
    assert (in_percent(1.0, 10), in_percent(0.0, 10)) == ("100% (72–100)", "0% (0–28)")
