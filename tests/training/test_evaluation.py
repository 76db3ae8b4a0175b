import dataclasses
import math

import pytest
import torch
from model_configs import BASE

from llm import Transformer, preset
from llm.data import TextData, split_text
from llm.data.passages import Passages
from llm.runtime import stepwise
from llm.tokenizers import build_tokenizer
from llm.tokenizers.char import CharTokenizer
from llm.training.evaluation import evaluate, ratio

TEXT = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(450) for word in ("red", "old", "shy"))
MANY_BYTES = "".join(f"рыжая лиса видела {count} птиц 🐦, 狐狸看见了鸟。\n" for count in range(850))
CASES = {"char": ("char", TEXT), "bpe": ("bpe", MANY_BYTES), "sentencepiece": ("sentencepiece", MANY_BYTES)}


def prepared(kind: str, text: str, n_ctx: int = 8) -> tuple[Transformer, TextData, object]:
    """A model with weights large enough that its predictions differ between positions."""
    tokenizer = build_tokenizer(kind, text, d_vocab=300)
    model = Transformer(dataclasses.replace(BASE, d_vocab=tokenizer.d_vocab, n_ctx=n_ctx))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model, TextData.from_text(text, tokenizer, n_ctx), tokenizer


@pytest.mark.parametrize("count", [2, 1000], ids=["some passages", "all passages"])
@pytest.mark.parametrize(("kind", "text"), CASES.values(), ids=CASES)
def test_evaluation_agrees_with_its_definitions_taken_word_by_word(kind, text, count):
    """Each token of the chosen passages, predicted from the tokens before it in its window, one window at a time."""
    model, data, tokenizer = prepared(kind, text)
    model.double().eval()
    passages, n_ctx = data.validation, 8
    chosen = passages.evenly_spaced(count).tolist()
    found = evaluate(model, passages, passages.evenly_spaced(count), batch_size=3)
    tokens, starts = passages.tokens.long(), passages.starts.tolist()
    windows = [model(window[None, :-1])[0].tolist() for window in tokens.unfold(0, n_ctx + 1, n_ctx)]
    rest = (len(tokens) - 1) % n_ctx
    windows.append(model(tokens[None, -1 - rest : -1])[0].tolist() if rest else [])
    nats, right, parts = [], [], []  # each by passage
    for index in chosen:
        parts.append(tokenizer.decode(tokens[starts[index] : starts[index + 1]].tolist()))
        nats.append([])
        right.append([])
        for target in range(starts[index], starts[index + 1]):
            scores = windows[(target - 1) // n_ctx][(target - 1) % n_ctx]
            nats[-1].append(math.log(sum(math.exp(score) for score in scores)) - scores[tokens[target]])
            right[-1].append(scores[tokens[target]] == max(scores))

    def error(numerators: list[float], denominators: list[float]) -> float:
        value = sum(numerators) / sum(denominators)
        residuals = [y - value * x for y, x in zip(numerators, denominators, strict=True)]
        variance = sum(residual**2 for residual in residuals) / (len(chosen) - 1)
        return math.sqrt(len(chosen) * variance) / sum(denominators)

    lengths, characters = list(map(len, nats)), list(map(len, parts))
    totals = list(map(sum, nats))
    loss = sum(totals) / sum(lengths)
    assert found.loss == pytest.approx(loss, rel=1e-9)
    assert found.perplexity == pytest.approx(math.exp(loss), rel=1e-9)
    assert found.accuracy == pytest.approx(sum(map(sum, right)) / sum(lengths))
    assert found.bits_per_character == pytest.approx(sum(totals) / math.log(2) / sum(characters), rel=1e-9)
    assert found.standard_error == pytest.approx(error(totals, lengths), rel=1e-6)
    assert found.accuracy_standard_error == pytest.approx(error(list(map(sum, right)), lengths))
    bits = [total / math.log(2) for total in totals]
    assert found.bits_per_character_standard_error == pytest.approx(error(bits, characters), rel=1e-6)
    assert (found.passages, found.tokens, found.characters) == (len(chosen), sum(lengths), sum(characters))
    if count == 1000:
        assert split_text(text).validation.endswith("".join(parts))
        assert len(split_text(text).validation) - len("".join(parts)) < 30  # all but the first word


def test_a_single_passage_gives_no_standard_error():
    model, data, _ = prepared("char", TEXT)
    found = evaluate(model, data.validation, torch.tensor([0]))
    assert (found.standard_error, found.accuracy_standard_error, found.bits_per_character_standard_error) == (None,) * 3


def test_the_standard_error_is_the_spread_of_the_loss_over_samples_of_passages():
    """Means of 40 passages drawn again and again from 40,000 spread as far as each says of itself, on average."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(50, 200, (1000, 40), generator=generator)
    nats = tokens * (1 + 0.5 * torch.rand(1000, 40, generator=generator, dtype=torch.float64))
    values, errors = zip(*(ratio(*sample) for sample in zip(nats, tokens, strict=True)), strict=True)
    assert torch.tensor(errors).mean() == pytest.approx(torch.tensor(values).std().item(), rel=0.1)


def test_evaluation_is_part_by_part_too_and_gradients_are_on_between_two_parts():
    model, data, _ = prepared("char", TEXT)
    steps = evaluate.steps(model, data.validation, None, 2)
    assert next(steps) is None
    assert torch.is_grad_enabled()
    assert stepwise.finish(steps) == evaluate(model, data.validation, None, 2)


def test_windows_without_a_chosen_token_are_not_computed():
    model, data, _ = prepared("char", TEXT * 4)
    seen = []
    model.register_forward_hook(lambda module, inputs, logits: seen.append(inputs[0].numel()))
    found = evaluate(model, data.validation, torch.tensor([1]))
    assert found.tokens <= sum(seen) <= found.tokens + 3 * 8 < len(data.validation.tokens)


def test_a_character_is_a_token_of_char_so_bits_per_character_are_the_loss_in_bits():
    model, data, _ = prepared("char", MANY_BYTES)
    found = evaluate(model, data.validation)
    assert found.bits_per_character == pytest.approx(found.loss / math.log(2))


def test_bits_per_character_of_bpe_count_characters_not_bytes_or_tokens():
    """A text of three-byte characters, as single bytes: three tokens tell of one character."""
    tokenizer = build_tokenizer("bpe", "鸟", d_vocab=256)
    model = Transformer(dataclasses.replace(BASE, d_vocab=256, n_ctx=9))
    found = evaluate(model, Passages.from_text("狐狸看见了鸟" * 100, tokenizer))
    assert found.bits_per_character == pytest.approx(3 * found.loss / math.log(2))


@pytest.mark.parametrize("architecture", ["gpt", "llama", "olmo"])
def test_an_untrained_model_knows_nothing(architecture):
    tokenizer = CharTokenizer.train(TEXT)
    model = Transformer(preset(architecture, d_vocab=tokenizer.d_vocab, d_model=64, n_layers=2, n_heads=4, n_ctx=32))
    found = evaluate(model, TextData.from_text(TEXT, tokenizer, 32).validation)
    assert found.loss == pytest.approx(math.log(tokenizer.d_vocab), rel=0.1)
    assert found.perplexity == pytest.approx(tokenizer.d_vocab, rel=0.35)


def test_the_batch_size_changes_nothing():
    model, data, _ = prepared("char", TEXT)
    whole = dataclasses.asdict(evaluate(model, data.validation, batch_size=7))
    for batch_size in (1, 2, 3, 100):
        assert dataclasses.asdict(evaluate(model, data.validation, None, batch_size)) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_in_its_mode_and_without_gradients(training):
    model, data, _ = prepared("char", TEXT)
    model.train(training)
    evaluate(model, data.validation)
    assert all(module.training == training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_model_stays_in_its_mode_when_evaluation_fails():
    model, data, _ = prepared("char", TEXT)
    model.train().embed.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(model, data.validation)
    assert model.training


def test_dropout_is_off_during_evaluation():
    tokenizer = CharTokenizer.train(TEXT)
    model = Transformer(dataclasses.replace(BASE, d_vocab=tokenizer.d_vocab, dropout=0.5)).train()
    data = TextData.from_text(TEXT, tokenizer, BASE.n_ctx)
    first, second = (evaluate(model, data.validation) for _ in range(2))
    assert first == second


def test_the_forward_pass_runs_inside_the_given_number_format():
    model, data, _ = prepared("char", TEXT)
    precise = evaluate(model, data.validation)
    rough = evaluate(model, data.validation, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    assert rough.loss != precise.loss
    assert rough.loss == pytest.approx(precise.loss, rel=0.05)


def test_a_model_that_is_sure_and_wrong_has_the_largest_perplexity_a_float_holds():
    model, data, _ = prepared("char", TEXT)
    model.unembed.register_forward_hook(lambda module, inputs, logits: logits * 1e5)
    found = evaluate(model, data.validation)
    assert found.loss > 1000
    assert math.isfinite(found.perplexity)
