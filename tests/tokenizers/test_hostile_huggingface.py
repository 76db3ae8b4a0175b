"""A tokenizer.json from elsewhere neither ends the process nor fills its memory, and its steps keep their ids."""

import json

import pytest

from llm.tokenizers import build_tokenizer
from llm.tokenizers.base import UnknownCharacterError
from llm.tokenizers.huggingface import HuggingFaceTokenizer
from llm.tokenizers.to_huggingface import byte_pairs, characters, tokenizer_json

pytest.importorskip("tokenizers")
TEXT = "The hen sat on the gate, and the fox saw her.\n" * 20
BPE, CHAR = build_tokenizer("bpe", TEXT, 280), build_tokenizer("char", TEXT)
REPLACE = {"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 1000}
ONCE = REPLACE | {"content": "ee"}


def opened(tokenizer=BPE, parts=byte_pairs, **changes) -> HuggingFaceTokenizer:
    content = json.loads(tokenizer_json(tokenizer, parts(tokenizer)))
    return HuggingFaceTokenizer(json.dumps(content | changes).encode(), tokenizer.d_vocab)


def model(**changes):
    return byte_pairs(BPE)["model"] | changes


HOSTILE = {
    "a damaged table of characters": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": "//////////////8="}
    },
    "a letter that becomes a thousand": {"normalizer": REPLACE},
    "the same, further inside": {"normalizer": {"type": "Sequence", "normalizers": [ONCE, REPLACE]}},
    "a long beginning": {"normalizer": {"type": "Prepend", "prepend": "a" * 1000}},
    "a letter that is doubled again and again": {"normalizer": {"type": "Sequence", "normalizers": [ONCE] * 60}},
    "many ways to split": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}] * 60}},
    "a long end of each word": {"model": model(end_of_word_suffix="a" * 1000)},
    "an id of 32 bits": {"model": model(vocab=model()["vocab"] | {"hens": 2**32 - 1})},
    "a pattern that is none": {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"}},
    "no model": {"model": []},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_a_sentence(name):
    with pytest.raises(ValueError) as error:
        opened(**HOSTILE[name])
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_a_pattern_that_would_try_for_ever_is_a_sentence():
    pattern = {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}, "behavior": "Isolated", "invert": False}
    tokenizer = opened(pre_tokenizer={"type": "Sequence", "pretokenizers": [pattern]})
    with pytest.raises(ValueError, match="cannot encode this text") as error:
        tokenizer.encode("x" * 40)
    assert not isinstance(error.value, UnknownCharacterError) and "\n" not in str(error.value)


def test_what_only_decodes_pads_or_adds_special_tokens_changes_no_ids():
    plain = opened()
    padding = {"strategy": {"Fixed": 99}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
               "pad_type_id": 0, "pad_token": "x"}  # fmt: skip
    cut = {"max_length": 2, "stride": 0, "strategy": "LongestFirst", "direction": "Right"}
    by_bytes = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    other = opened(padding=padding, truncation=cut, post_processor=by_bytes)
    assert other.encode(TEXT) == plain.encode(TEXT) == BPE.encode(TEXT)
    assert other.decode(other.encode(TEXT)) == TEXT


def test_usual_steps_are_run():
    spaces = {"type": "Sequence", "normalizers": [{"type": "NFC"}, REPLACE | {"content": "a"}]}
    tokenizer = opened(CHAR, characters, normalizer=spaces)
    assert tokenizer.decode(tokenizer.encode("The hen")) == "Tha han"
