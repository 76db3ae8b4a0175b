import dataclasses
import math

import pytest
import torch
from model_configs import BASE

from llm import Transformer, preset
from llm.data import TextData
from llm.tokenizers import build_tokenizer
from llm.tokenizers.char import CharTokenizer
from llm.training.evaluation import evaluate

TEXT = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
MANY_BYTES = "".join(f"рыжая лиса видела {count} птиц 🐦, 狐狸看见了鸟。\n" for count in range(60))
CASES = {"char": ("char", TEXT), "bpe": ("bpe", MANY_BYTES), "sentencepiece": ("sentencepiece", MANY_BYTES)}


def prepared(kind: str, text: str, n_ctx: int = 8) -> tuple[Transformer, TextData, object]:
    """A model with weights large enough that its predictions differ between positions."""
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
