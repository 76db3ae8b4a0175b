"""SentencePiece takes any text exactly as it is."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm.tokenizers import build_tokenizer
from llm.tokenizers.sentencepiece import SentencePieceTokenizer

AWKWARD = {
    "white space": "a  b\t\tc\n\n\n   d \n",
    "carriage returns": "one\r\ntwo\rthree\n",
    "only line ends": "\n\n\n",
    "only spaces": "    ",
    "one character": "x",
    "reserved by the package": "▁ ▁▁ ▅ \0 \t <unk> <s> </s> <pad> ⁇",
    "private use": "\U000f0000\U000f0001\n\U000f0002",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "replacement character": "\ufffd\ufffd \ufeff\ufffe\uffff",
    "combining characters": "e\u0301é n\u0303ñ ﬁ Å ①",
    "Chinese": "天地玄黃,宇宙洪荒。\n日月盈昃,辰宿列張。\n",
    "Arabic and emoji": "السلام عليكم 👩‍👩‍👧‍👦🏳️‍🌈\n",
    "a long line": "long words without an end " * 1000,
    "a long line without a space": "abc" * 5000,
    "line separators": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_awkward_training_texts_round_trip(text, tmp_path):
    tokenizer = SentencePieceTokenizer.train(text, 400)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert sum(tokenizer.characters_per_token[token] for token in tokenizer.encode(text)) == len(text)


@settings(max_examples=60)
@given(text=st.text(min_size=1, max_size=100).filter(lambda text: len(set(text)) > 1))
def test_any_training_text_round_trips(text):
    tokenizer = SentencePieceTokenizer.train(text, 300)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_vocabulary_reaches_the_size_asked_for_and_holds_no_special_tokens():
    syllables = ["ba", "do", "ki", "lu", "me", "no", "ra", "si", "tu", "ve"]
    text = "\n".join(f"{a}{b} {b}{c}{a}, {c}{a}." for a, b, c in itertools.permutations(syllables, 3))
    tokenizer = SentencePieceTokenizer.train(text, 60)
    assert tokenizer.d_vocab == 60
    assert set(text) <= {tokenizer.token_text(token) for token in range(60)}
    assert all(tokenizer.token_text(token) in text for token in range(60))


def test_a_short_text_gives_a_smaller_vocabulary_and_says_so():
    assert SentencePieceTokenizer.train("abcabcabc", 1024).d_vocab < 10


def test_too_few_tokens_for_the_characters_name_the_least_possible():
    with pytest.raises(ValueError, match=r"d_vocab must be 7 or more .* got 6"):
        SentencePieceTokenizer.train("abc def", 6)
    assert SentencePieceTokenizer.train("abc def", 7).d_vocab == 7


def test_without_a_wish_the_vocabulary_has_room_for_every_character_of_the_text():
    text = "".join(chr(0x4E00 + index) for index in range(1500))
    tokenizer = build_tokenizer("sentencepiece", text)
    assert tokenizer.d_vocab >= 1500
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_text_of_one_character_repeated_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="too uniform"):
        SentencePieceTokenizer.train("a" * 8, 300)


def test_training_prints_nothing(capfd):
    SentencePieceTokenizer.train("The quick brown fox.\n" * 20, 40)
    assert capfd.readouterr() == ("", "")
