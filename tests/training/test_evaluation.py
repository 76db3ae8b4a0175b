import dataclasses
import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from model_configs import BASE
from torch.utils._python_dispatch import TorchDispatchMode

from llm import Transformer, preset
from llm.data import TextData
from llm.tokenizers import build_tokenizer
from llm.tokenizers.char import CharTokenizer
from llm.training.evaluation import baselines, evaluate

TEXT = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
MANY_BYTES = "".join(f"рыжая лиса видела {count} птиц 🐦, 狐狸看见了鸟。\n" for count in range(60))
CASES = {"char": ("char", TEXT), "bpe": ("bpe", MANY_BYTES), "sentencepiece": ("sentencepiece", MANY_BYTES)}


def prepared(kind: str, text: str, n_ctx: int = 8) -> tuple[Transformer, TextData, object]:
    """A model with weights large enough that its guesses differ from place to place."""
    tokenizer = build_tokenizer(kind, text, d_vocab=300)
    model = Transformer(dataclasses.replace(BASE, d_vocab=tokenizer.d_vocab, n_ctx=n_ctx))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model, TextData.from_text(text, tokenizer, n_ctx), tokenizer


@pytest.mark.parametrize(("kind", "text"), CASES.values(), ids=CASES)
def test_evaluation_agrees_with_its_definitions_taken_word_by_word(kind, text):
    model, data, tokenizer = prepared(kind, text)
    found = evaluate(model, data, tokenizer, windows=5, batch_size=3)
    inputs, targets = data.evaluation_windows(5)
    nats, right, predicted = [], 0, []
    for window, truth in zip(inputs, targets, strict=True):
        logits = model.eval()(window[None])[0].double()
        for scores, token in zip(logits.tolist(), truth.tolist(), strict=True):
            nats.append(math.log(sum(math.exp(score) for score in scores)) - scores[token])
            right += scores[token] == max(scores)
            predicted.append(token)
    begun = b"".join(map(tokenizer.token_bytes, predicted))  # a character counts where its first byte is
    characters = sum(byte >> 6 != 0b10 for byte in begun)
    assert found.loss == pytest.approx(sum(nats) / len(nats), rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(sum(nats) / len(nats)), rel=1e-4)
    assert found.accuracy == right / len(nats)
    assert found.bits_per_character == pytest.approx(sum(nats) / math.log(2) / characters, rel=1e-5)
    assert (found.windows, found.tokens) == (5, 40)


def test_a_character_is_a_token_of_char_so_bits_per_character_are_the_loss_in_bits():
    model, data, tokenizer = prepared("char", MANY_BYTES)
    found = evaluate(model, data, tokenizer, windows=6, batch_size=6)
    assert found.bits_per_character == pytest.approx(found.loss / math.log(2))


def test_bits_per_character_of_bpe_count_characters_not_bytes_or_tokens():
    """All windows of a text of three-byte characters, as single bytes: three tokens tell of one character."""
    tokenizer = build_tokenizer("bpe", "鸟", d_vocab=256)
    model = Transformer(dataclasses.replace(BASE, d_vocab=256, n_ctx=9))
    data = TextData.from_text("狐狸看见了鸟" * 100, tokenizer, n_ctx=9)
    found = evaluate(model, data, tokenizer, windows=1000, batch_size=32)
    assert found.bits_per_character == pytest.approx(3 * found.loss / math.log(2), rel=0.01)


@pytest.mark.parametrize("architecture", ["gpt", "llama", "olmo"])
def test_an_untrained_model_knows_nothing(architecture):
    tokenizer = CharTokenizer.train(TEXT)
    model = Transformer(preset(architecture, d_vocab=tokenizer.d_vocab, d_model=64, n_layers=2, n_heads=4, n_ctx=32))
    found = evaluate(model, TextData.from_text(TEXT, tokenizer, 32), tokenizer, windows=10, batch_size=4)
    assert found.loss == pytest.approx(math.log(tokenizer.d_vocab), rel=0.1)
    assert found.perplexity == pytest.approx(tokenizer.d_vocab, rel=0.35)


def test_the_batch_size_changes_nothing():
    model, data, tokenizer = prepared("char", TEXT)
    whole = dataclasses.asdict(evaluate(model, data, tokenizer, windows=7, batch_size=7))
    for batch_size in (1, 2, 3, 100):
        found = dataclasses.asdict(evaluate(model, data, tokenizer, windows=7, batch_size=batch_size))
        assert found == pytest.approx(whole, rel=1e-5)


def test_all_windows_are_measured_where_there_are_fewer_than_asked():
    model, data, tokenizer = prepared("char", TEXT)
    available = (len(data.validation) - 1) // 8
    found = evaluate(model, data, tokenizer, windows=10**6, batch_size=16)
    assert (found.windows, found.tokens) == (available, available * 8)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_in_its_mode_and_without_gradients(training):
    model, data, tokenizer = prepared("char", TEXT)
    model.train(training)
    evaluate(model, data, tokenizer, windows=2, batch_size=2)
    assert all(module.training == training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_model_stays_in_its_mode_when_evaluation_fails():
    model, data, tokenizer = prepared("char", TEXT)
    model.train().embed.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(model, data, tokenizer, windows=2, batch_size=2)
    assert model.training


def test_dropout_is_off_during_evaluation():
    tokenizer = CharTokenizer.train(TEXT)
    model = Transformer(dataclasses.replace(BASE, d_vocab=tokenizer.d_vocab, dropout=0.5)).train()
    data = TextData.from_text(TEXT, tokenizer, BASE.n_ctx)
    first, second = (evaluate(model, data, tokenizer, windows=3, batch_size=2) for _ in range(2))
    assert first == second


def test_the_forward_pass_runs_inside_the_given_number_format():
    model, data, tokenizer = prepared("char", TEXT)
    precise = evaluate(model, data, tokenizer, windows=4, batch_size=2)
    rough = evaluate(model, data, tokenizer, 4, 2, lambda: torch.autocast("cpu", torch.bfloat16))
    assert rough.loss != precise.loss
    assert rough.loss == pytest.approx(precise.loss, rel=0.05)


def test_a_model_that_is_sure_and_wrong_has_the_largest_perplexity_a_float_holds():
    model, data, tokenizer = prepared("char", TEXT)
    model.unembed.register_forward_hook(lambda module, inputs, logits: logits * 1e5)
    found = evaluate(model, data, tokenizer, windows=2, batch_size=2)
    assert found.loss > 1000
    assert math.isfinite(found.perplexity)


def slow_baselines(train: list[int], validation: list[int], d_vocab: int) -> tuple[float, float, float]:
    """Nats per token of each predictor, with dictionaries."""
    counts, pairs = Counter(train), Counter(itertools.pairwise(train))
    contexts = Counter(train[:-1])
    unigram, bigram = [], []
    for before, token in itertools.pairwise(validation):
        unigram.append(-math.log((counts[token] + 1) / (len(train) + d_vocab)))
        bigram.append(-math.log((pairs[before, token] + 1) / (contexts[before] + d_vocab)))
    return math.log(d_vocab), sum(unigram) / len(unigram), sum(bigram) / len(bigram)


ids = st.lists(st.integers(0, 6), min_size=2, max_size=40)


@given(ids, ids, st.integers(7, 12))
def test_baselines_agree_with_counting_in_dictionaries(train, validation, d_vocab):
    data = TextData(torch.tensor(train, dtype=torch.int32), torch.tensor(validation, dtype=torch.int32), 1, 1)
    found = baselines(data, d_vocab, [1] * d_vocab)
    expected = slow_baselines(train, validation, d_vocab)
    assert (found.uniform, found.unigram, found.bigram) == pytest.approx(expected, rel=1e-12)
    bits = (found.uniform_bits_per_character, found.unigram_bits_per_character, found.bigram_bits_per_character)
    assert bits == pytest.approx([nats / math.log(2) for nats in expected])


@pytest.mark.parametrize(("kind", "text"), CASES.values(), ids=CASES)
def test_baselines_of_real_text_fall_from_uniform_to_bigram(kind, text):
    _, data, tokenizer = prepared(kind, text)
    found = baselines(data, tokenizer.d_vocab, tokenizer.characters_per_token)
    expected = slow_baselines(data.train.tolist(), data.validation.tolist(), tokenizer.d_vocab)
    assert (found.uniform, found.unigram, found.bigram) == pytest.approx(expected, rel=1e-12)
    assert found.bigram < found.unigram < found.uniform
    predicted = data.validation[1:].tolist()
    characters = sum(byte >> 6 != 0b10 for byte in b"".join(map(tokenizer.token_bytes, predicted)))
    nats = found.bigram * len(predicted)
    assert found.bigram_bits_per_character == pytest.approx(nats / math.log(2) / characters)


def test_the_baselines_probabilities_sum_to_one():
    """Smoothed as they are, unigram and each row of bigram are distributions over the whole vocabulary."""
    train, d_vocab = [0, 1, 1, 2, 0, 1, 3], 6
    for before in range(d_vocab):
        unigram, bigram = 0.0, 0.0
        for token in range(d_vocab):
            data = TextData(torch.tensor(train).int(), torch.tensor([before, token]).int(), 1, 1)
            found = baselines(data, d_vocab, [1] * d_vocab)
            unigram += math.exp(-found.unigram)
            bigram += math.exp(-found.bigram)
        assert (unigram, bigram) == pytest.approx((1, 1))


def test_baselines_learn_from_the_training_part_alone():
    train = torch.tensor([0, 1] * 50, dtype=torch.int32)
    seen = baselines(TextData(train, torch.tensor([0, 1] * 10).int(), 1, 1), 4, [1] * 4)
    unseen = baselines(TextData(train, torch.tensor([2, 3] * 10).int(), 1, 1), 4, [1] * 4)
    assert seen.bigram < 0.1
    assert unseen.unigram == pytest.approx(math.log(104))
    assert unseen.bigram == pytest.approx(math.log(4))  # contexts never seen: all tokens equally likely


class LargestTensor(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that any torch operation makes meanwhile."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return made


def test_pairs_of_a_large_vocabulary_need_no_table():
    """A table of 50,000² counts would take 20 gigabytes."""
    train = torch.randint(50_000, (200_000,), dtype=torch.int32)
    data = TextData(train, torch.cat([train[:5_000], train[-5_000:]]), 1, 1)
    with LargestTensor() as largest:
        found = baselines(data, 50_000, [1] * 50_000)
    assert 50_000 <= largest.numbers <= len(train)
    expected = slow_baselines(data.train.tolist(), data.validation.tolist(), 50_000)
    assert (found.uniform, found.unigram, found.bigram) == pytest.approx(expected, rel=1e-12)
