"""Merge by merge to the very tokens of the encoder, and to the very merges of the training."""

import unicodedata
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.tokenizers import build_tokenizer
from llm.tokenizers.base import Merge
from llm.tokenizers.bpe import BpeTokenizer, chunks_of, train_merges
from llm.tokenizers.gpt2 import Gpt2Tokenizer
from llm.tokenizers.replay import MAX_CHARACTERS, replay_encoding, replay_training

TRAINING_TEXT = "the cat and the hat; 你好你好, привет привет  \n\n" * 3
TRAINED = BpeTokenizer.train(TRAINING_TEXT, 320)
# its bytes have other ids, as GPT-2's have
GPT2 = Gpt2Tokenizer(
    [bytes([byte]) for byte in reversed(range(256))] + [b"th", b"the", b" the", b"\xe4\xbd", "你".encode()]
)


def is_old(text):
    """Whether Python knows the characters: unicode versions differ on which of the newest ones are letters."""
    return all(unicodedata.category(character) != "Cn" for character in text)


ANY_TEXT = st.text(max_size=200).filter(is_old)
FEW_LETTERS = st.text(alphabet="ab c\n", max_size=80)


@pytest.mark.parametrize("tokenizer", [TRAINED, GPT2], ids=["bpe", "gpt2"])
@given(text=ANY_TEXT)
def test_after_the_last_merge_the_tokens_are_those_of_the_encoder(tokenizer, text):
    for whole in text, "the then 你你 the " + text:
        assert replay_encoding(tokenizer, whole).steps[-1].tokens == tokenizer.encode(whole)


@given(text=FEW_LETTERS)
def test_learning_from_a_text_takes_the_merges_that_training_takes(text):
    replay = replay_training(text)
    assert [step.merge for step in replay.steps[:-1]] == train_merges(text, 2000)
    assert replay.steps[-1].tokens == BpeTokenizer.train(text, 2000).encode(text)
    for step in replay.steps[:-1]:
        assert step.pairs[0].occurrences == max(pair.occurrences for pair in step.pairs) >= 2
    assert all(pair.occurrences < 2 for pair in replay.steps[-1].pairs)


def test_each_step_takes_the_pair_whose_merge_was_learned_first_and_counts_it():
    counts = TRAINED.merge_counts(TRAINING_TEXT)
    replay = replay_encoding(TRAINED, "the hat, that", counts)
    assert [bytes(step.tokens) for step in replay.steps[:1]] == [b"the hat, that"]
    numbers = [step.pairs[0].merge for step in replay.steps[:-1]]
    assert numbers == sorted(numbers) and len(numbers) > 3
    for step, following in pairwise(replay.steps):
        pair = step.pairs[0]
        assert step.merge == TRAINED.merges[pair.merge - 1] == Merge(pair.left, pair.right, step.merge.new)
        assert pair.training_count == counts[pair.merge - 1]
        neighbours = Counter(two for chunk in step.chunks for two in pairwise(chunk))
        assert {(one.left, one.right): one.occurrences for one in step.pairs} == neighbours
        assert len(step.tokens) > len(following.tokens)
        assert b"".join(map(TRAINED.token_bytes, following.tokens)) == b"the hat, that"
    assert all(pair.merge is None for pair in replay.steps[-1].pairs)


def test_counts_of_the_training_text_are_those_that_decided_the_order():
    counts = TRAINED.merge_counts(TRAINING_TEXT)
    chunks = [list(chunk.encode()) for chunk in chunks_of(TRAINING_TEXT)]
    for merge, count in zip(TRAINED.merges, counts, strict=True):
        pairs = Counter(two for chunk in chunks for two in pairwise(chunk))
        assert count == pairs[merge.left, merge.right] == max(pairs.values())
        for chunk in chunks:
            while (merge.left, merge.right) in [*pairwise(chunk)]:
                index = [*pairwise(chunk)].index((merge.left, merge.right))
                chunk[index : index + 2] = [merge.new]
    assert TRAINED.merge_counts("") == [0] * len(counts)  # of another text


def test_gpt2s_merges_are_found_in_its_tokens():
    parts = [tuple(map(GPT2.token_bytes, merge)) for merge in GPT2.merges]
    assert parts[:3] == [(b"t", b"h", b"th"), (b"th", b"e", b"the"), (b" ", b"the", b" the")]
    assert len(parts) == 5
    assert GPT2.merge_counts("the") == []  # the text that it learned from is not here


@pytest.mark.parametrize("kind", ["char", "sentencepiece"])
def test_a_kind_that_merges_nothing_says_so(kind):
    with pytest.raises(ValueError, match=f"The {kind} tokenizer merges nothing, so there is nothing to replay"):
        replay_encoding(build_tokenizer(kind, TRAINING_TEXT, None if kind == "char" else 60), "the hat")


def test_a_long_text_is_refused():
    for replay in (lambda text: replay_encoding(TRAINED, text)), replay_training:
        assert replay("a" * MAX_CHARACTERS).steps
        with pytest.raises(ValueError, match="at most 400 characters, got 401"):
            replay("a" * (MAX_CHARACTERS + 1))


def test_the_empty_text_has_one_step_without_pairs():
    (step,) = replay_encoding(TRAINED, "").steps
    assert (step.chunks, step.pairs, step.merge) == ((), (), None)
