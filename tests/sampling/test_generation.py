"""From a prompt to a text: draws, the cache, seeds, and what is reported of each token."""

import collections
import dataclasses
import itertools
import math
import sys

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from model_configs import IMPLEMENTATIONS, config_name
from sampling_models import CONFIG, CONFIGS, TOKENIZER, randomised, scripted, softmax

from llm.config import SamplingConfig
from llm.layers.cache import KeyValueCache
from llm.reading import Reader, window_start
from llm.sampling import draw, generate, stream
from llm.tokenizers import UnknownCharacterError
from llm.tokenizers.char import CharTokenizer


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
    cached, uncached = (Reader(model, use_cache) for use_cache in (True, False))
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
    settings = SamplingConfig(max_new_tokens=3 * config.n_ctx, temperature=3.0, seed=4)  # some repeat a token at 1
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
        shown = [other.id for other in told.alternatives]
        assert shown[:8] == falling[:8]
        assert [other.probability for other in told.alternatives] == pytest.approx([own[token] for token in shown])
        assert [other.text for other in told.alternatives] == [TOKENIZER.token_text(token) for token in shown]

        for token in set(tokens):  # the repetition penalty counts the prompt, and what lies before the window
            values[token] *= 1 / 1.5 if values[token] > 0 else 1.5
        likeliest = sorted(range(30), key=lambda token: -values[token])[:4]
        drawn = dict(zip(likeliest, softmax([values[token] / 0.7 for token in likeliest]), strict=True))
        assert set(shown) == {*falling[:8], *likeliest}
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
