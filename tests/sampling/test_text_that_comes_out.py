"""Characters of several tokens come out whole, and a stop string ends the text."""

import dataclasses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sampling_models import CONFIG, TOKENIZER, randomised, scripted

from llm.config import SamplingConfig
from llm.sampling import (
    generate,
    stream,
)
from llm.stop_strings import StopStrings
from llm.tokenizers import build_tokenizer


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
