"""Pairs of prompts: equal length, and the same two answers after both."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.interpret.prompts import prompt_pair
from llm.tokenizers import build_tokenizer

TEXT = "Tom had a hat, and he ran. Ada had a hat, and she ran. Nell sat.\n\nTom\n\nAda\n\n" * 30
CHAR = build_tokenizer("char", TEXT)
BPE = build_tokenizer("bpe", TEXT, d_vocab=300)


@pytest.mark.parametrize("tokenizer", [CHAR, BPE])
def test_prompts_end_where_the_answers_begin_to_differ(tokenizer):
    pair = prompt_pair(tokenizer, "Tom had a hat, and", "Ada had a hat, and", " he", " she")
    assert len(pair.clean) == len(pair.corrupt)
    assert tokenizer.decode(pair.clean).startswith("Tom had a hat, and")
    assert tokenizer.decode([*pair.clean, pair.answers[0]]) in "Tom had a hat, and he"
    assert tokenizer.decode([*pair.corrupt, pair.answers[1]]) in "Ada had a hat, and she"
    assert all(pair.clean[position] != pair.corrupt[position] for position in pair.changed)
    assert pair.changed[-1] < len(tokenizer.encode("Tom "))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("Tom had", "Nell had", " he", " she"), "The clean text has 8 tokens and the corrupted one 9"),
        (("Tom had", "Tom had", " he", " she"), "the same tokens"),
        (("Tom had", "Ada had", " he", " he"), "do not differ"),
        (("Tom had", "", " he", " she"), "empty"),
        (("Tom had", "Ada had", " he", " <b>"), "does not know '<'"),
    ],
)
def test_prompts_that_cannot_be_compared_are_rejected(texts, message):
    with pytest.raises(ValueError, match=message):
        prompt_pair(CHAR, *texts)


def test_answers_that_merge_with_the_prompts_are_rejected():
    """A prompt that ends inside the token " hat": the answer would not be the same token after the other prompt."""
    with pytest.raises(ValueError, match="begin with different tokens"):
        prompt_pair(BPE, "Tom had a h", "Tom had a s", "at", "e")


@given(*[st.text(alphabet="TomAda, he", max_size=8)] * 4)
def test_any_texts_give_a_valid_pair_or_a_clear_error(clean, corrupt, right, wrong):
    try:
        pair = prompt_pair(BPE, clean, corrupt, right, wrong)
    except ValueError as error:
        assert len(str(error)) > 20
        return
    assert len(pair.clean) == len(pair.corrupt) and pair.changed and pair.answers[0] != pair.answers[1]
