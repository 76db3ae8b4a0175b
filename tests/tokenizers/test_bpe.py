"""Our fast training and tiktoken's encoding against the plainest form of byte-pair encoding."""

import unicodedata
from collections import Counter
from itertools import pairwise

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from llm.tokenizers.bpe import SPLIT_PATTERN, BpeTokenizer, Merge, train_merges

ANY_TEXT = st.text(max_size=200)
FEW_LETTERS = st.text(alphabet="ab c\n", max_size=80)
TRAINED = BpeTokenizer.train("the cat and the hat; 你好你好, привет привет  \n\n" * 3, 320)


def join(tokens, merge):
    """The tokens with the merge applied everywhere, from left to right."""
    joined = []
    for token in tokens:
        if joined and (joined[-1], token) == (merge.left, merge.right):
            joined[-1] = merge.new
        else:
            joined.append(token)
    return joined


def chunks_of(text):
    return [list(match.group().encode()) for match in regex.finditer(SPLIT_PATTERN, text)]


def train_naively(text, d_vocab):
    """Count every pair of the whole text anew for each merge."""
    chunks, merges = chunks_of(text), []
    while 256 + len(merges) < d_vocab:
        counts = Counter(pair for chunk in chunks for pair in pairwise(chunk))
        pair, count = min(counts.items(), key=lambda item: (-item[1], item[0]), default=(None, 0))
        if count < 2:
            break
        merges.append(Merge(*pair, new=256 + len(merges)))
        chunks = [join(chunk, merges[-1]) for chunk in chunks]
    return merges


def encode_naively(text, merges):
    tokens = []
    for chunk in chunks_of(text):
        for merge in merges:
            chunk = join(chunk, merge)
        tokens += chunk
    return tokens


def is_old(text):
    """Whether Python knows the characters: unicode versions differ on which of the newest ones are letters."""
    return all(unicodedata.category(character) != "Cn" for character in text)


@given(text=ANY_TEXT)
def test_any_text_in_any_script_round_trips(text):
    assert TRAINED.decode(TRAINED.encode(text)) == text


@given(text=st.one_of(FEW_LETTERS, ANY_TEXT), d_vocab=st.integers(256, 290))
def test_fast_training_finds_the_merges_of_naive_training(text, d_vocab):
    assert train_merges(text, d_vocab) == train_naively(text, d_vocab)


@given(training=FEW_LETTERS, text=FEW_LETTERS)
def test_encoding_is_replaying_the_merges_in_order(training, text):
    tokenizer = BpeTokenizer.train(training, 300)
    assert tokenizer.encode(text) == encode_naively(text, tokenizer.merges)


@given(text=ANY_TEXT.filter(is_old))
def test_encoding_any_text_is_replaying_the_merges_in_order(text):
    assert TRAINED.encode(text) == encode_naively(text, TRAINED.merges)


def test_merges_come_in_order_each_from_earlier_tokens():
    assert TRAINED.merges
    for new, merge in enumerate(TRAINED.merges, 256):
        assert merge.new == new
        assert max(merge.left, merge.right) < new
        assert TRAINED.token_bytes(new) == TRAINED.token_bytes(merge.left) + TRAINED.token_bytes(merge.right)


def test_the_most_frequent_pair_comes_first():
    assert train_merges("hello hello yellow", 258) == [Merge(ord("e"), ord("l"), 256), Merge(ord("l"), ord("o"), 257)]


def test_overlapping_pairs_join_from_the_left():
    tokenizer = BpeTokenizer.train("aaaaa aaaaa", 257)
    assert tokenizer.encode("aaaaa") == [256, 256, ord("a")]


def test_merges_stay_inside_chunks():
    tokenizer = BpeTokenizer.train("a, b1 a, b1 a, b1 a, b1", 512)
    assert {tokenizer.token_text(token) for token in range(256, tokenizer.d_vocab)} == {" a", " b"}


def test_the_vocabulary_reaches_the_size_asked_for():
    assert BpeTokenizer.train("the cat sat on the mat with the hat " * 3, 270).d_vocab == 270


def test_a_text_with_few_pairs_gives_a_smaller_vocabulary_and_says_so():
    tokenizer = BpeTokenizer.train("abab", 1024)
    assert tokenizer.d_vocab == 257
    assert BpeTokenizer.train("", 1024).d_vocab == 256


@pytest.mark.parametrize("d_vocab", [255, 0, -1])
def test_fewer_tokens_than_bytes_are_refused(d_vocab):
    with pytest.raises(ValueError, match=f"d_vocab must be 256 or more .* got {d_vocab}"):
        BpeTokenizer.train("text", d_vocab)


def test_a_text_without_any_space_trains_in_time_proportional_to_its_length():
    tokenizer = BpeTokenizer.train("GATTACA" * 20_000, 300)  # one chunk of 140,000 letters
    assert tokenizer.decode(tokenizer.encode("GATTACA" * 3)) == "GATTACA" * 3
