import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from llm.data import TextData, split_text
from llm.data.passages import Passages
from llm.tokenizers import build_tokenizer
from llm.training.baselines import Baselines, count_n_grams, discounts, kneser_ney, measure_baselines

TEXT = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
MANY_BYTES = "".join(f"рыжая лиса видела {count} птиц 🐦, 狐狸看见了鸟。\n" for count in range(60))
CASES = {"char": ("char", TEXT), "bpe": ("bpe", MANY_BYTES), "sentencepiece": ("sentencepiece", MANY_BYTES)}


class SlowKneserNey:
    """Interpolated modified Kneser-Ney of one order, with dictionaries, one n-gram at a time."""

    def __init__(self, train: list[int], order: int, d_vocab: int) -> None:
        self.d_vocab = d_vocab
        self.counts: list[Counter] = []  # by length of the context, of n-grams
        self.totals: list[Counter] = []  # of contexts
        self.freed: list[Counter] = []  # sums of discounts, of contexts
        self.discounts: list[list[float]] = []  # by count
        for n in range(1, order + 1):
            occurring = Counter(zip(*(train[first:] for first in range(n)), strict=False))
            longer = set(zip(*(train[first:] for first in range(n + 1)), strict=False))
            counts = occurring if n == order else Counter(n_gram[1:] for n_gram in longer)
            discount = self.estimated(Counter(counts.values()))
            totals, freed = Counter(), Counter()
            for n_gram, count in counts.items():
                totals[n_gram[:-1]] += count
                freed[n_gram[:-1]] += discount[min(3, count)]
            self.counts.append(counts)
            self.totals.append(totals)
            self.freed.append(freed)
            self.discounts.append(discount)

    @staticmethod
    def estimated(kinds: Counter) -> list[float]:
        """Discounts by count, 0 to 3, where `kinds[k]` n-grams have the count k."""
        if all(kinds[k] for k in (1, 2, 3, 4)):
            y = kinds[1] / (kinds[1] + 2 * kinds[2])
            found = [k - (k + 1) * y * kinds[k + 1] / kinds[k] for k in range(1, 4)]
            if min(found) > 0:
                return [0, *found]
        return [0, 0.5, 1, 1.5]

    def probability(self, context: tuple, token: int) -> float:
        length = len(context)
        shorter = self.probability(context[1:], token) if context else 1 / self.d_vocab
        total = self.totals[length][context]
        if not total:
            return shorter
        count = self.counts[length][(*context, token)]
        kept = count - self.discounts[length][min(3, count)]
        return kept / total + self.freed[length][context] / total * shorter


def slow_baselines(train: list[int], validation: list[int], d_vocab: int, first: int = 1) -> list[float]:
    """Nats per token of each predictor, on the tokens from index `first` on."""
    losses = [math.log(d_vocab)]
    for order in (1, 2, 3):
        slow = SlowKneserNey(train, order, d_vocab)
        nats = []
        for index in range(first, len(validation)):
            context = validation[max(0, index + 1 - order) : index]
            missing = order - 1 - len(context)
            nats.append(-math.log(slow.probability((None,) * missing + tuple(context), validation[index])))
        losses.append(sum(nats) / len(nats))
    return losses


def losses(found: Baselines) -> tuple[float, float, float, float]:
    return found.uniform, found.unigram, found.bigram, found.trigram


def bits(found: Baselines) -> tuple[float, float, float, float]:
    return (
        found.uniform_bits_per_character,
        found.unigram_bits_per_character,
        found.bigram_bits_per_character,
        found.trigram_bits_per_character,
    )


def prepared(kind: str, text: str) -> tuple[TextData, object]:
    tokenizer = build_tokenizer(kind, text, d_vocab=300)
    return TextData.from_text(text, tokenizer, n_ctx=8), tokenizer


def measured(train: list[int], validation: list[int], d_vocab: int) -> Baselines:
    """On all tokens but the first, as one passage of as many characters."""
    ids = torch.tensor(validation, dtype=torch.int32)
    passage = Passages(ids, torch.tensor([1, len(ids)]), torch.tensor([len(ids) - 1]))
    [found] = measure_baselines(torch.tensor(train, dtype=torch.int32), passage, [torch.tensor([0])], d_vocab)
    return found


ids = st.lists(st.integers(0, 6), min_size=2, max_size=40)
few_kinds = st.lists(st.integers(0, 3), min_size=1, max_size=120)


@given(few_kinds, st.integers(1, 3), st.integers(4, 5))
def test_probabilities_sum_to_one_after_each_context_and_none_is_zero(train, order, d_vocab):
    """After each possible context, also those that never occur and the beginning of a text, by the definitions."""
    slow = SlowKneserNey(train, order, d_vocab)
    contexts = list(itertools.product(range(d_vocab + 1), repeat=order - 1))  # d_vocab: no token
    n_grams = torch.tensor([(*context, token) for context in contexts for token in range(d_vocab)])
    found = kneser_ney(torch.tensor(train), n_grams, d_vocab).view(len(contexts), d_vocab)
    assert found.min() > 0
    assert found.sum(dim=1).tolist() == pytest.approx([1] * len(contexts), rel=1e-12)
    for context, row in zip(contexts, found.tolist(), strict=True):
        expected = [slow.probability(context, token) for token in range(d_vocab)]
        assert row == pytest.approx(expected, rel=1e-9)


@given(few_kinds, st.integers(1, 3), st.integers(1, 50))
def test_n_grams_are_counted_in_parts(train, n, part):
    kinds, counts = count_n_grams(torch.tensor(train, dtype=torch.int32), n, 5, part)
    expected = Counter(zip(*(train[first:] for first in range(n)), strict=False))
    numbers = {sum(token * 5**place for place, token in enumerate(reversed(gram))): c for gram, c in expected.items()}
    assert kinds.tolist() == sorted(numbers)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == numbers


def test_discounts_are_those_of_chen_and_goodman():
    """Of 8, 4, 2 and 1 n-grams that occur once to four times: Y = 8 / 16, D = 1 − 2 Y 4/8, 2 − 3 Y 2/4, 3 − 4 Y 1/2."""
    counts = torch.tensor([1] * 8 + [2] * 4 + [3] * 2 + [4] + [9] * 3)
    assert discounts(counts).tolist() == [0.5, 1.25, 2.0]


@pytest.mark.parametrize("counts", [[1, 1, 2, 3], [5, 9], [1, 2, 3, 3, 3, 4], [1] * 4 + [2] * 4 + [3] + [4] * 3])
def test_discounts_are_half_the_count_where_they_cannot_be_estimated(counts):
    """A count that does not occur, or an estimate below zero, from which no probability would be left for the rest."""
    assert discounts(torch.tensor(counts)).tolist() == [0.5, 1.0, 1.5]


def test_after_a_new_token_those_are_likely_that_follow_many_others():
    """1 is as frequent as 2, but follows only 0: after a token that was never seen, 2 is likelier."""
    train = [0, 1, 3, 2, 4, 2, 5, 2] * 3 + [0, 1] * 6
    assert train.count(1) == train.count(2) == 9
    after_new, alone = (
        kneser_ney(torch.tensor(train), torch.tensor(n_grams), 8) for n_grams in ([[7, 1], [7, 2]], [[1], [2]])
    )
    assert alone[0] == alone[1]
    assert after_new[0] < after_new[1]


@given(ids, ids, st.integers(7, 12))
def test_baselines_agree_with_counting_in_dictionaries(train, validation, d_vocab):
    found = measured(train, validation, d_vocab)
    expected = slow_baselines(train, validation, d_vocab)
    assert losses(found) == pytest.approx(expected, rel=1e-12)
    assert bits(found) == pytest.approx([nats / math.log(2) for nats in expected])


@pytest.mark.parametrize(("kind", "text"), CASES.values(), ids=CASES)
def test_baselines_of_real_text_fall_from_uniform_to_bigram(kind, text):
    data, tokenizer = prepared(kind, text)
    [found] = measure_baselines(data.train, data.validation, [torch.arange(len(data.validation))], tokenizer.d_vocab)
    tokens, first = data.validation.tokens.tolist(), int(data.validation.starts[0])
    expected = slow_baselines(data.train.tolist(), tokens, tokenizer.d_vocab, first)
    assert losses(found) == pytest.approx(expected, rel=1e-12)
    assert found.bigram < found.unigram < found.uniform
    assert found.trigram < found.unigram  # in a short text it may be above the bigram
    predicted = tokens[first:]
    characters = len(tokenizer.decode(predicted))
    assert split_text(text).validation.endswith(tokenizer.decode(predicted))
    totals = [nats * len(predicted) / math.log(2) / characters for nats in losses(found)]
    assert bits(found) == pytest.approx(totals)


def test_the_bigram_line_lies_just_above_what_a_token_of_context_can_tell():
    """Of a text in which each token depends on the one before it alone, with known probabilities."""
    d_vocab, tokens = 100, [0]
    torch.manual_seed(0)
    chain = torch.distributions.Dirichlet(torch.full((d_vocab,), 0.02, dtype=torch.float64)).sample((d_vocab,))
    for draw, token in zip(torch.rand(22_000, dtype=torch.float64), tokens, strict=False):  # tokens grows meanwhile
        tokens.append(min(d_vocab - 1, int(torch.searchsorted(chain[token].cumsum(0), draw))))
    train, validation = tokens[:20_000], tokens[20_000:]
    found = measured(train, validation, d_vocab)
    least = -chain[validation[:-1], validation[1:]].log().mean().item()
    assert least < found.bigram < least + 0.1
    assert found.bigram < found.trigram  # two tokens of context tell no more, and their counts are smaller


def test_baselines_learn_from_the_training_part_alone():
    seen, unseen = (measured([0, 1] * 50, validation, 4) for validation in ([0, 1] * 10, [2, 3] * 10))
    assert max(seen.bigram, seen.trigram) < 0.1
    assert unseen.unigram == pytest.approx(math.log(400 / 3))  # discounts of 1.5 from both kinds of 100, among four
    assert (unseen.bigram, unseen.trigram) == pytest.approx((math.log(8), math.log(8)))  # contexts never seen


class LargestTensor(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that any torch operation makes meanwhile."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return made


def test_n_grams_of_a_large_vocabulary_need_no_table():
    """A table of 50,000² counts would take 20 gigabytes."""
    train = torch.randint(50_000, (60_000,), dtype=torch.int32)
    validation = [*train[:5_000].tolist(), *train[-5_000:].tolist()]
    with LargestTensor() as largest:
        found = measured(train.tolist(), validation, 50_000)
    assert 50_000 <= largest.numbers <= len(train)
    expected = slow_baselines(train.tolist(), validation, 50_000)
    assert losses(found) == pytest.approx(expected, rel=1e-12)
