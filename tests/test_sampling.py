import collections
import dataclasses
import itertools
import math
import sys

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from model_configs import BASE, IMPLEMENTATIONS, component_configs, config_name

from llm import Transformer, sampling
from llm.config import ModelConfig, SamplingConfig
from llm.layers.cache import KeyValueCache
from llm.sampling import (
    StopStrings,
    apply_filters,
    draw,
    generate,
    min_p,
    repetition_penalty,
    stream,
    temperature,
    top_k,
    top_p,
    window_start,
)
from llm.tokenizers import UnknownCharacterError, build_tokenizer
from llm.tokenizers.char import CharTokenizer

TOKENIZER = CharTokenizer("\n abcdefghijklmnopqrstuvwxyzST")  # 30 characters
CONFIG = dataclasses.replace(BASE, d_vocab=30, n_ctx=9, positional="rope")
CONFIGS = [  # every position scheme with every head grouping among them
    dataclasses.replace(config, d_vocab=30, n_ctx=n_ctx)
    for config, n_ctx in zip(component_configs(), itertools.cycle((7, 8)), strict=False)
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


# Scores with many ties, and scores of every size.
scores = st.lists(st.floats(-12, 12) | st.integers(-2, 2).map(float), min_size=1, max_size=12)
fractions = st.floats(0, 1) | st.sampled_from([0.25, 0.5, 0.75, 1.0])


# --- filters


@given(scores, st.lists(st.integers(0, 11), max_size=20), st.floats(1, 100))
@example([2.0, -2.0, 0.0], [0, 1, 2, 2], 2.0)
def test_repetition_penalty_lowers_each_token_of_the_text_once(values, tokens, penalty):
    tokens = [token for token in tokens if token < len(values)]
    found = repetition_penalty(torch.tensor(values, dtype=torch.float64), tokens, penalty).tolist()
    for token, value in enumerate(values):
        if token not in tokens:
            assert found[token] == value
        else:
            assert found[token] == pytest.approx(value / penalty if value > 0 else value * penalty)
            assert found[token] <= value
            assert found[token] < value or penalty == 1 or abs(value) < 1e-300


def test_a_penalty_below_one_makes_repetition_likelier():
    found = repetition_penalty(torch.tensor([2.0, -2.0, 1.0]), [0, 1], 0.5)
    assert found.tolist() == [4.0, -1.0, 1.0]


@given(scores, st.floats(0.05, 50))
def test_temperature_divides_the_scores(values, temperature_setting):
    found = temperature(torch.tensor(values, dtype=torch.float64), temperature_setting).softmax(-1).tolist()
    assert found == pytest.approx(softmax([value / temperature_setting for value in values]), abs=1e-12)


@given(scores, st.floats(0, 1e-8) | st.sampled_from([0.0, 5e-324, 1e-310, 1e-300, 1e-30]))
def test_temperature_zero_is_greedy_and_a_tiny_one_nearly(values, temperature_setting):
    logits = torch.tensor([round(value) for value in values]).double()  # no two that differ by next to nothing
    probabilities = temperature(logits, temperature_setting).softmax(-1)
    assert probabilities.sum().item() == pytest.approx(1)
    likeliest = logits == logits.max()
    if temperature_setting == 0:
        assert (probabilities == 1).sum() == 1
        assert likeliest[probabilities.argmax()]
    else:
        assert probabilities[likeliest].sum().item() == pytest.approx(1)


@given(scores, st.integers(1, 15))
def test_top_k_keeps_exactly_the_k_likeliest_even_of_equals(values, k):
    logits = torch.tensor(values, dtype=torch.float64)
    left = kept(top_k(logits, k), logits)
    assert len(left) == min(k, len(values))
    dropped = [value for token, value in enumerate(values) if token not in left]
    assert min(values[token] for token in left) >= max(dropped, default=-math.inf)


@given(scores, fractions.filter(lambda fraction: fraction > 0))
@example([0.0, 0.0, 0.0, 0.0], 0.5)
@example([0.0, 0.0, 0.0, 0.0], 0.75)
@example([0.0, 0.0], 5e-324)
def test_top_p_keeps_the_fewest_of_the_likeliest_that_sum_to_p(values, fraction):
    logits = torch.tensor(values, dtype=torch.float64)
    left = kept(top_p(logits, fraction), logits)
    probabilities = softmax(values)
    dropped = [probabilities[token] for token in range(len(values)) if token not in left]
    smallest = min(probabilities[token] for token in left)
    rounding = 1e-12
    assert smallest >= max(dropped, default=0) - rounding
    total = sum(probabilities[token] for token in left)
    assert total >= fraction - rounding
    assert len(left) == 1 or fraction == 1 or total - smallest < fraction + rounding


def test_top_p_of_one_keeps_all():
    logits = torch.tensor([0.0, -50, -800, 50])
    assert kept(top_p(logits, 1.0), logits) == [0, 1, 2, 3]


@given(scores, fractions)
def test_min_p_keeps_what_is_at_least_that_fraction_as_likely_as_the_likeliest(values, fraction):
    logits = torch.tensor(values, dtype=torch.float64)
    left = kept(min_p(logits, fraction), logits)
    probabilities = softmax(values)
    for token, probability in enumerate(probabilities):
        threshold = fraction * max(probabilities)
        if abs(probability - threshold) > 1e-12:
            assert (token in left) == (probability > threshold)
    assert [token for token in left if values[token] == max(values)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("number", [1e-300, 1e-45, 1e-8, 0.999999999, 1.0])
def test_the_likeliest_token_always_stays(dtype, number):
    logits = torch.randn(3, 50).to(dtype)
    for changed in (top_p(logits, number), min_p(logits, number), temperature(logits, number), top_k(logits, 1)):
        assert torch.equal(changed.argmax(-1), logits.argmax(-1))
        assert changed.softmax(-1).sum(-1) == pytest.approx(torch.ones(3), rel=1e-5)


FILTERS = {
    "repetition_penalty": lambda logits: repetition_penalty(logits, [1, 3, 3], 1.7),
    "temperature": lambda logits: temperature(logits, 0.6),
    "greedy": lambda logits: temperature(logits, 0),
    "top_k": lambda logits: top_k(logits, 3),
    "top_p": lambda logits: top_p(logits, 0.7),
    "min_p": lambda logits: min_p(logits, 0.2),
    "all": lambda logits: apply_filters(
        logits, [2, 4], SamplingConfig(repetition_penalty=1.3, temperature=0.9, top_k=5, top_p=0.9, min_p=0.05)
    ),
}


@pytest.mark.parametrize("change", FILTERS.values(), ids=FILTERS)
def test_filters_treat_each_row_of_a_batch_alone_and_leave_what_they_are_given(change):
    logits = torch.randn(2, 3, 9).double()
    before = logits.clone()
    whole = change(logits)
    assert torch.equal(logits, before)
    assert whole.shape == logits.shape
    for index in itertools.product(range(2), range(3)):
        assert torch.equal(whole[index], change(logits[index]))


@given(
    st.lists(st.floats(-1e300, 1e300) | st.floats(-5, 5), min_size=1, max_size=8),
    st.floats(1e-300, 1e308),
    st.floats(0, 1e308),
    st.none() | st.integers(1, 9),
    st.none() | st.floats(0, 1, exclude_min=True),
    st.none() | st.floats(0, 1),
)
@example([-1.0, -2.0], 1e308, 0.5, None, None, None)
@example([1.0, 2.0], 1e-300, 1.0, None, 0.5, None)
def test_any_settings_leave_probabilities_that_sum_to_one(values, penalty, temperature_setting, k, p, least):
    config = SamplingConfig(repetition_penalty=penalty, temperature=temperature_setting, top_k=k, top_p=p, min_p=least)
    filtered = apply_filters(torch.tensor(values, dtype=torch.float64), list(range(len(values))), config)
    assert filtered.softmax(-1).sum().item() == pytest.approx(1)


def test_the_filters_apply_in_the_order_of_the_configs_fields(monkeypatch):
    calls = []

    def recorder(name: str, real: object) -> object:
        def record(*arguments: object) -> object:
            calls.append(name)
            return real(*arguments)

        return record

    names = [field.name for field in dataclasses.fields(SamplingConfig)]
    filters = [name for name in names if name not in ("max_new_tokens", "seed", "stop")]
    for name in filters:
        monkeypatch.setattr(sampling, name, recorder(name, getattr(sampling, name)))
    config = SamplingConfig(repetition_penalty=1.3, temperature=0.9, top_k=5, top_p=0.9, min_p=0.05)
    apply_filters(torch.randn(9), [1], config)
    assert calls == filters == ["repetition_penalty", "temperature", "top_k", "top_p", "min_p"]


def test_filters_that_are_off_change_nothing():
    logits = torch.randn(9)
    assert torch.equal(apply_filters(logits, [1, 2], SamplingConfig(temperature=1.0)), logits)


def test_each_filter_sees_what_the_one_before_left():
    """0.5, 0.3, 0.2: the two likeliest are then 0.625 and 0.375, and top-p of 0.6 needs only the first."""
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    config = SamplingConfig(temperature=1.0, top_k=2, top_p=0.6)
    assert kept(apply_filters(logits, [], config), logits) == [0]
    assert kept(apply_filters(logits, [], dataclasses.replace(config, top_k=None)), logits) == [0, 1]


# --- drawing


def test_tokens_are_drawn_as_often_as_their_probabilities_say():
    probabilities = torch.tensor([0.0, 0.4, 0.05, 0.0, 0.3, 0.001, 0.249, 0.0]).double()
    generator, draws = torch.Generator().manual_seed(0), 20_000
    counts = collections.Counter(draw(probabilities, generator) for _ in range(draws))
    possible = probabilities.nonzero().flatten().tolist()
    assert set(counts) == set(possible)
    chi_squared = sum(
        (counts[token] - draws * probabilities[token]) ** 2 / (draws * probabilities[token]) for token in possible
    )
    assert chi_squared < 18.5  # with 4 degrees of freedom, one seed in a thousand would give more


@given(
    # probabilities sum to about 1: a sum below the smallest normal number, whose products round up, is none
    st.lists(st.floats(0, 1) | st.just(0.0), min_size=1, max_size=8).filter(lambda w: sum(w) > sys.float_info.min),
    st.floats(0, 1, exclude_max=True),
)
@example([0.0, 0.3, 0.0], 0.0)
@example([0.0, 0.3, 0.0], 1 - 2**-53)
@example([0.1] * 3, 1 - 2**-53)
def test_a_token_of_probability_zero_is_never_drawn(weights, point):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", lambda *_, **__: torch.tensor(point, dtype=torch.float64))
        token = draw(torch.tensor(weights, dtype=torch.float64), torch.Generator())
    assert weights[token] > 0
    reached = list(itertools.accumulate(weights))
    index = point * reached[-1]
    assert reached[token] - weights[token] <= index + 1e-12
    assert index < reached[token]


def test_one_random_number_decides_one_token():
    generator, other = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    probabilities = torch.ones(10).double() / 10
    assert [draw(probabilities, generator) for _ in range(20)] == [
        int(torch.rand((), dtype=torch.float64, generator=other) * 10) for _ in range(20)
    ]


# --- the window and the cache


@given(st.integers(1, 40), st.integers(0, 400))
def test_the_window_fits_the_context_and_keeps_half_of_it(n_ctx, length):
    start, following = window_start(length, n_ctx), window_start(length + 1, n_ctx)
    if length <= n_ctx:
        assert start == 0
    else:
        assert n_ctx // 2 + 1 <= length - start <= n_ctx
    assert following == start or (length - start == n_ctx and following - start == (n_ctx + 1) // 2)


@pytest.mark.parametrize("config", CONFIGS, ids=config_name)
def test_the_cache_changes_no_score_within_or_beyond_the_context(config):
    model = randomised(config)
    tokens = torch.randint(30, (3 * config.n_ctx + 3,)).tolist()
    cached, uncached = (sampling._Reader(model, use_cache) for use_cache in (True, False))
    for length in range(3, len(tokens) + 1):
        found = cached.next_logits(tokens[:length])
        window = torch.tensor([tokens[window_start(length, config.n_ctx) : length]])
        with torch.no_grad():
            expected = model(window)[0, -1]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(uncached.next_logits(tokens[:length]), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("config", CONFIGS, ids=config_name)
def test_the_cache_changes_no_token(config):
    model = randomised(config)
    settings = SamplingConfig(max_new_tokens=3 * config.n_ctx, temperature=1.0, seed=3)
    cached, uncached = (list(stream(model, TOKENIZER, "fox", settings, use_cache)) for use_cache in (True, False))
    assert [token.id for token in cached] == [token.id for token in uncached]
    assert [token.rank for token in cached] == [token.rank for token in uncached]
    assert len({token.id for token in cached}) > 5
    for one, other in zip(cached, uncached, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-10)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_every_implementation_writes_the_same_text(implementation):
    settings = SamplingConfig(max_new_tokens=25, temperature=1.0, seed=1)
    text = generate(randomised(implementation=implementation), TOKENIZER, "fox", settings)
    assert text == generate(randomised(), TOKENIZER, "fox", settings)


def test_with_the_cache_each_token_is_read_once_per_window():
    model, read = randomised(), []
    model.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0].shape[1]))
    list(stream(model, TOKENIZER, "a fox", SamplingConfig(max_new_tokens=16, seed=0)))
    # n_ctx is 9: five tokens of the prompt and four more; then, every five tokens, the newer half again
    assert read == [5, 1, 1, 1, 1, 5, 1, 1, 1, 1, 5, 1, 1, 1, 1, 5]
    read.clear()
    list(stream(model, TOKENIZER, "a fox", SamplingConfig(max_new_tokens=7, seed=0), use_cache=False))
    assert read == [5, 6, 7, 8, 9, 5, 6]


def test_of_a_prompt_beyond_the_context_the_end_is_read():
    model = randomised()
    long, short = "the quick red fox jumps", "e quick red fox jumps"
    settings = SamplingConfig(max_new_tokens=8, temperature=0)
    start = window_start(len(long), 9)
    end = generate(model, TOKENIZER, long[start:], settings)
    assert generate(model, TOKENIZER, long, settings)[: len(long) + 1] == long[:start] + end[: len(long) - start + 1]
    assert generate(model, TOKENIZER, short, settings).startswith(short)


@pytest.mark.parametrize("positional", ["learned", "sinusoidal", "rope", "alibi", "none"])
def test_a_context_of_one_token_works(positional):
    model = randomised(dataclasses.replace(CONFIG, n_ctx=1, positional=positional))
    settings = SamplingConfig(max_new_tokens=10, temperature=0)
    text = generate(model, TOKENIZER, "fox", settings)
    assert len(text) == 13
    assert text == generate(model, TOKENIZER, "fox", settings, use_cache=False)
    for before, after in itertools.pairwise(TOKENIZER.encode(text)[2:]):
        assert model(torch.tensor([[before]]))[0, -1].argmax() == after


# --- the text


def test_the_text_is_the_prompt_and_what_the_stream_gives():
    model, settings = randomised(), SamplingConfig(max_new_tokens=30, temperature=1.0, seed=2)
    tokens = list(stream(model, TOKENIZER, "fox", settings))
    text = generate(model, TOKENIZER, "fox", settings)
    assert text == "fox" + "".join(token.text for token in tokens) == "fox" + TOKENIZER.decode(t.id for t in tokens)
    assert len(tokens) == 30


def test_temperature_zero_takes_the_likeliest_token_each_time():
    model, text = randomised(), "a fox"
    for _ in range(4):
        scores = model(torch.tensor([TOKENIZER.encode(text)]))[0, -1]
        text += TOKENIZER.decode([int(scores.argmax())])
    for temperature_setting in (0.0, 1e-320, 1e-300, 1e-9):
        for seed in (0, 1, None):
            settings = SamplingConfig(max_new_tokens=4, temperature=temperature_setting, seed=seed)
            assert generate(model, TOKENIZER, "a fox", settings) == text


def test_the_seed_decides_the_text_and_nothing_else_does():
    model = randomised()
    texts = {}
    for seed in (0, 1, 0, 1, 2**63 - 1):
        torch.rand(3)  # what else is drawn in the process
        text = generate(model, TOKENIZER, "fox", SamplingConfig(max_new_tokens=40, temperature=1.0, seed=seed))
        assert texts.setdefault(seed, text) == text
    assert len(set(texts.values())) == 3


def test_without_a_seed_each_text_is_another():
    model, settings = randomised(), SamplingConfig(max_new_tokens=40, temperature=1.0)
    torch.manual_seed(0)
    first = generate(model, TOKENIZER, "fox", settings)
    torch.manual_seed(0)
    assert first != generate(model, TOKENIZER, "fox", settings)


def test_sampling_leaves_the_processs_random_state_alone():
    model = randomised()
    state = torch.random.get_rng_state()
    for seed in (0, None):
        generate(model, TOKENIZER, "fox", SamplingConfig(max_new_tokens=3, seed=seed))
        assert torch.equal(state, torch.random.get_rng_state())


def test_no_new_tokens_add_no_text():
    model, settings = randomised(), SamplingConfig(max_new_tokens=0)
    assert generate(model, TOKENIZER, "a fox", settings) == "a fox"
    assert generate(model, TOKENIZER, "", settings) == ""
    assert list(stream(model, TOKENIZER, "a fox", settings)) == []


@pytest.mark.parametrize(("characters", "first"), [("\nabc", "\n"), ("xab", "x")], ids=["line break", "token 0"])
def test_an_empty_prompt_starts_after_a_line_break_that_is_not_returned(characters, first):
    tokenizer = CharTokenizer(characters)
    model = randomised(dataclasses.replace(CONFIG, d_vocab=len(characters)))
    settings = SamplingConfig(max_new_tokens=6, temperature=0)
    text = generate(model, tokenizer, "", settings)
    assert len(text) == 6
    assert first + text == generate(model, tokenizer, first, settings)


def test_unknown_characters_are_reported_at_once():
    with pytest.raises(UnknownCharacterError, match="狐"):
        stream(randomised(), TOKENIZER, "a 狐", SamplingConfig())  # before anything is asked of it
    with pytest.raises(ValueError, match="狐"):
        generate(randomised(), TOKENIZER, "a 狐", SamplingConfig(max_new_tokens=0))


def test_characters_come_out_whole():
    tokenizer = build_tokenizer("bpe", "a", d_vocab=256)  # each token is a byte
    said = list("狐a🦊é".encode())
    settings = SamplingConfig(max_new_tokens=len(said), temperature=0)
    texts = [token.text for token in stream(scripted(said, 256), tokenizer, "x", settings)]
    assert texts == ["", "", "狐", "a", "", "", "", "🦊", "", "é"]


@pytest.mark.parametrize("length", range(1, 10))
def test_a_character_that_is_cut_off_at_the_end_is_shown_as_such(length):
    tokenizer = build_tokenizer("bpe", "a", d_vocab=256)
    said = list("a狐🦊é".encode())[:length]
    text = generate(scripted(said, 256), tokenizer, "x", SamplingConfig(max_new_tokens=length, temperature=0))
    assert text == "x" + bytes(said).decode(errors="replace")


def test_bytes_that_make_no_character_still_make_text():
    tokenizer = build_tokenizer("bpe", "a", d_vocab=256)
    model = randomised(dataclasses.replace(CONFIG, d_vocab=256))
    settings = SamplingConfig(max_new_tokens=60, temperature=1.5, seed=0)
    ids = [token.id for token in stream(model, tokenizer, "狐", settings)]
    text = generate(model, tokenizer, "狐", settings)
    assert text == "狐" + tokenizer.decode(ids)
    assert "\ufffd" in text


# --- what is told of each token


def test_probabilities_ranks_and_alternatives_are_those_of_the_scores():
    model = randomised()
    settings = SamplingConfig(max_new_tokens=25, temperature=0.7, top_k=4, repetition_penalty=1.5, seed=4)
    tokens = TOKENIZER.encode("a fox")
    ranks = set()
    for told in stream(model, TOKENIZER, "a fox", settings):
        start = window_start(len(tokens), 9)
        values = model(torch.tensor([tokens[start:]]))[0, -1].tolist()
        own = softmax(values)
        falling = sorted(range(30), key=lambda token: -own[token])
        assert told.model_probability == pytest.approx(own[told.id], rel=1e-9)
        assert told.rank == falling.index(told.id) + 1
        assert [other.id for other in told.alternatives] == falling[:8]
        assert [other.probability for other in told.alternatives] == pytest.approx(
            [own[token] for token in falling[:8]]
        )
        assert [other.text for other in told.alternatives] == [TOKENIZER.token_text(token) for token in falling[:8]]

        for token in set(tokens):  # the repetition penalty counts the prompt, and what lies before the window
            values[token] *= 1 / 1.5 if values[token] > 0 else 1.5
        likeliest = sorted(range(30), key=lambda token: -values[token])[:4]
        drawn = dict(zip(likeliest, softmax([values[token] / 0.7 for token in likeliest]), strict=True))
        assert told.probability == pytest.approx(drawn[told.id], rel=1e-9)
        tokens.append(told.id)
        ranks.add(told.rank)
    assert len(ranks) > 2


def test_a_small_vocabulary_has_fewer_alternatives_and_equals_share_a_rank():
    tokenizer = CharTokenizer("abc")
    model = scripted([1, 1], d_vocab=3)  # the others have equal scores
    first, second = stream(model, tokenizer, "a", SamplingConfig(max_new_tokens=2, temperature=1e9, seed=1))
    assert len(first.alternatives) == 3
    assert {token.rank for token in (first, second)} <= {1, 2}
    assert first.probability == pytest.approx(1 / 3)
    assert sum(other.probability for other in first.alternatives) == pytest.approx(1)


# --- the model


@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_in_its_mode_and_dropout_is_off(training):
    model = randomised(dataclasses.replace(CONFIG, dropout=0.5)).train(training)
    settings = SamplingConfig(max_new_tokens=12, temperature=0)
    tokens = stream(model, TOKENIZER, "fox", settings)
    next(tokens)
    assert model.training == training  # between two tokens, while a trainer may take a step
    list(tokens)
    assert all(module.training == training for module in model.modules())
    without = randomised(CONFIG)
    without.load_state_dict(model.state_dict())
    assert generate(model, TOKENIZER, "fox", settings) == generate(without, TOKENIZER, "fox", settings)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_reported(value):
    model = randomised().train()
    with torch.no_grad():
        model.embed.W_E.fill_(value)
    tokens = stream(model, TOKENIZER, "fox", SamplingConfig(max_new_tokens=3))
    with pytest.raises(ValueError, match=r"logits contain NaN or infinity.*diverged"):
        next(tokens)
    assert model.training


def test_sampling_keeps_no_gradients():
    model, graphs = randomised(), []
    model.register_forward_hook(lambda module, inputs, logits: graphs.append(logits.grad_fn))
    generate(model, TOKENIZER, "fox", SamplingConfig(max_new_tokens=3))
    assert graphs == [None] * 3


def test_the_cache_holds_no_more_than_the_context():
    model, lengths = randomised(), []
    model.register_forward_hook(lambda module, inputs, logits: lengths.append(inputs[1].length))
    generate(model, TOKENIZER, "a fox", SamplingConfig(max_new_tokens=40, seed=0))
    assert max(lengths) == 9
    assert KeyValueCache(CONFIG).length == 0


# --- stop strings


def cut_at_the_first_stop(text: str, stops: list[str]) -> str:
    """By definition: of the stop strings, the one that is complete first; of several at one index, the longest."""
    for end in range(len(text) + 1):
        ending = [stop for stop in stops if text[:end].endswith(stop)]
        if ending:
            return text[: end - max(map(len, ending))]
    return text


@given(
    st.lists(st.text("ab", max_size=6), max_size=8),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=4),
)
@example(["abc", "abd"], ["abcabd"])
@example(["xab", "c"], ["abd", "bc"])
@example(["aa", "ab"], ["aab"])
def test_the_text_before_the_first_stop_string_comes_out_however_it_is_cut(pieces, stops):
    expected = cut_at_the_first_stop("".join(pieces), stops)
    passing, given_out, seen = StopStrings(stops), "", ""
    for piece in pieces:
        given_out += passing.push(piece)
        seen += piece
        assert expected.startswith(given_out)
        stopped = cut_at_the_first_stop(seen, stops) != seen or any(seen.endswith(stop) for stop in stops)
        assert passing.stopped == stopped
        if not stopped:  # nothing is held back that cannot become a stop string, and all that can
            beginnings = [stop[:length] for stop in stops for length in range(1, len(stop))]
            held = max((len(part) for part in beginnings if seen.endswith(part)), default=0)
            assert given_out == seen[: len(seen) - held]
    given_out += passing.flush()
    assert given_out == expected
    assert passing.flush() == ""


def test_a_stop_string_ends_the_text_and_is_not_given_out():
    said = TOKENIZER.encode("a fox STOP and more".replace("O", "o").replace("P", "p"))
    settings = SamplingConfig(max_new_tokens=len(said), temperature=0, stop=("and", "STop", "zzz"))
    model = scripted(said)
    settings = dataclasses.replace(settings, stop=("STop", "zzz"))
    texts = [token.text for token in stream(model, TOKENIZER, "x", settings)]
    assert texts == [*"a fox ", "", "", "", ""]


def test_what_only_looked_like_a_stop_string_is_given_out_after_all():
    said = TOKENIZER.encode("a STSTo b ST")
    settings = SamplingConfig(max_new_tokens=len(said), temperature=0, stop=("STop",))
    texts = [token.text for token in stream(scripted(said), TOKENIZER, "x", settings)]
    assert texts == ["a", " ", "", "", "ST", "", "", "STo ", "b", " ", "", "ST"]  # the last: no more will come


def test_a_stop_string_in_the_prompt_or_across_its_end_does_not_count():
    said = TOKENIZER.encode("op foxes")
    settings = SamplingConfig(max_new_tokens=len(said), temperature=0, stop=("STop",))
    assert generate(scripted(said), TOKENIZER, "STop ST", settings) == "STop STop foxes"


def test_a_stop_string_may_end_in_a_character_of_several_tokens():
    tokenizer = build_tokenizer("bpe", "a", d_vocab=256)
    said = list("a狐🦊 more".encode())
    settings = SamplingConfig(max_new_tokens=len(said), temperature=0, stop=("狐🦊",))
    tokens = list(stream(scripted(said, 256), tokenizer, "x", settings))
    assert "".join(token.text for token in tokens) == "a"
    assert len(tokens) == 8  # the fox's last byte is the last token


def test_a_cut_off_character_at_the_end_can_complete_a_stop_string():
    tokenizer = build_tokenizer("bpe", "a", d_vocab=256)
    said = list("ab狐".encode())[:3]
    settings = SamplingConfig(max_new_tokens=3, temperature=0, stop=("b\ufffd",))
    assert generate(scripted(said, 256), tokenizer, "x", settings) == "xa"
