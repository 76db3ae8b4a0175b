"""What is told of a token: its distribution after each filter, and the text's record."""

import json

import pytest
import torch
from sampling_models import TOKENIZER, randomised, scripted

from llm import sampling
from llm.config import SamplingConfig
from llm.filters import filter_stages
from llm.reading import window_start
from llm.sampling import stream, text_record, with_seed
from llm.tokenizers.char import CharTokenizer

ALL = SamplingConfig(12, repetition_penalty=1.4, temperature=0.7, top_k=20, top_p=0.9, min_p=0.02, seed=3)


def test_a_tokens_stages_are_the_distributions_up_to_the_one_it_was_drawn_from(monkeypatch):
    drawn_from, draw = [], sampling.draw
    monkeypatch.setattr(sampling, "draw", lambda *given: drawn_from.append(given[0]) or draw(*given))
    model, tokens = randomised(), TOKENIZER.encode("a fox")
    for told in stream(model, TOKENIZER, "a fox", ALL):
        logits = model(torch.tensor([tokens[window_start(len(tokens), 9) :]]))[0, -1].detach()
        shown = [other.id for other in told.alternatives]
        for stage, (name, expected) in zip(told.stages, filter_stages(logits, tokens, ALL).items(), strict=True):
            assert stage.filter == name
            assert stage.probabilities == pytest.approx(expected.softmax(-1)[shown].tolist(), abs=1e-9)
            assert stage.kept == int((expected > -torch.inf).sum())
            assert sum(stage.probabilities) <= 1 + 1e-9
        assert torch.equal(drawn_from[-1][shown], torch.tensor(told.stages[-1].probabilities, dtype=torch.float64))
        assert told.probability == told.stages[-1].probabilities[shown.index(told.id)] > 0
        assert told.model_probability == told.stages[0].probabilities[shown.index(told.id)]
        likeliest = [token for token in drawn_from[-1].topk(8).indices.tolist() if drawn_from[-1][token] > 0]
        assert set(likeliest) <= set(shown)
        tokens.append(told.id)


def test_an_unlikely_token_that_was_drawn_is_among_those_shown():
    (told,) = stream(scripted([1]), TOKENIZER, "a", SamplingConfig(1, temperature=1e9, seed=5))
    assert told.rank == 2 and told.id in [other.id for other in told.alternatives]
    assert [stage.filter for stage in told.stages] == ["model", "temperature"]


def test_without_filters_there_is_one_stage():
    (told,) = stream(scripted([1], d_vocab=3), CharTokenizer("abc"), "a", SamplingConfig(1, temperature=1.0, seed=0))
    assert [(stage.filter, stage.kept) for stage in told.stages] == [("model", 3)]
    assert sum(told.stages[0].probabilities) == pytest.approx(1)


def test_the_record_of_a_text_is_json_that_makes_it_again():
    config = with_seed(SamplingConfig(8, temperature=1.0, top_p=0.9, stop=("zz",)))
    assert config.seed is not None and with_seed(config) == config
    tokens = list(stream(randomised(), TOKENIZER, "fox", config))
    record = json.loads(json.dumps(text_record("20260131120000", 5, "fox", config, {}, tokens)))
    again = list(stream(randomised(), TOKENIZER, record["prompt"], SamplingConfig(**record["sampling"])))
    assert record["text"] == "fox" + "".join(token.text for token in again)
    assert record["tokens"] == [json.loads(json.dumps(token.as_json())) for token in again]
    assert (record["run"], record["step"]) == ("20260131120000", 5)


def test_a_choice_takes_the_place_of_a_draw_and_what_comes_before_stays():
    model = randomised()
    drawn = [token.id for token in stream(model, TOKENIZER, "a fox", ALL)]
    assert len(drawn) == 12
    other = (drawn[4] + 1) % 30
    tokens = list(stream(model, TOKENIZER, "a fox", ALL, choices={4: other}))
    assert [token.id for token in tokens][:5] == [*drawn[:4], other] and len(tokens) == 12
    again = list(stream(model, TOKENIZER, "a fox", ALL, choices={7: tokens[7].id, 4: other}))
    assert again == tokens  # the choice of what is drawn anyway changes nothing, later random numbers neither


@pytest.mark.parametrize("choices", [{12: 0}, {-1: 0}, {0: 30}, {0: -1}])
def test_a_choice_that_cannot_be_is_refused_at_once(choices):
    with pytest.raises(ValueError, match="tokens below 30 at positions below 12, got token"):
        stream(randomised(), TOKENIZER, "a fox", ALL, choices=choices)
