import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm.data.passages import Passages, passage_cuts
from llm.tokenizers import build_tokenizer

LETTERS = "ab .\n狐é🦊"
BYTES = build_tokenizer("bpe", "ab. fox fox sees the bird\n" * 9, 280)
CHARACTERS = build_tokenizer("char", "".join(LETTERS))
PIECES = build_tokenizer("sentencepiece", "ab. ab aba abb\n" * 50, 60, alphabet=LETTERS)
texts = st.text(st.sampled_from(LETTERS + "aaaaabbbb   "), max_size=3000)


def read(passages: Passages, tokenizer: object, chosen: list[int]) -> list[str]:
    """The characters that the tokens of each chosen passage stand for."""
    tokens, starts = passages.tokens.tolist(), passages.starts.tolist()
    return [tokenizer.decode(tokens[starts[index] : starts[index + 1]]) for index in chosen]


@given(texts)
def test_passages_follow_each_other_from_the_first_word_to_the_end(text):
    cuts = passage_cuts(text)
    lengths = [end - start for start, end in itertools.pairwise(cuts)]
    assert cuts[-1] == len(text)
    assert 0 <= cuts[0] <= 64
    assert all(384 <= length <= 512 for length in lengths[:-1])
    assert all(0 < length <= 768 for length in lengths)
    assert lengths or len(text) < 2
    for cut in cuts[1:-1]:  # after a line break, else before a space, else where it must be
        near = text[cut - 127 : cut]
        assert text[cut - 1] == "\n" or "\n" not in near


def test_cuts_are_after_the_last_line_break_near_else_before_a_space_else_after_512_characters():
    word = "x" * 600
    assert passage_cuts("one " + "x" * 448 + "\n" + word)[:2] == [3, 453]
    assert passage_cuts("one " + "x" * 448 + " " + word)[:2] == [3, 452]
    assert passage_cuts("one " + word + word)[:2] == [3, 515]
    assert passage_cuts(word) == [1, 600]


@given(texts, st.integers(1, 9))
def test_every_tokenizer_measures_exactly_the_same_characters(text, count):
    read_by = []
    for tokenizer in (CHARACTERS, BYTES, PIECES):
        passages = Passages.from_text(text, tokenizer)
        assert tokenizer.decode(passages.tokens.tolist()) == text
        chosen = passages.evenly_spaced(count).tolist() if len(passages) else []
        read_by.append((chosen, read(passages, tokenizer, chosen)))
        assert [len(part) for part in read_by[-1][1]] == passages.characters[chosen].tolist()
    assert read_by[0] == read_by[1] == read_by[2]


@pytest.mark.parametrize("count", [1, 2, 5, 12, 99])
def test_chosen_passages_are_apart_and_evenly_spaced(count):
    passages = Passages.from_text("a " * 3000, CHARACTERS)
    chosen = passages.evenly_spaced(count)
    assert len(chosen) == len(chosen.unique()) == min(count, len(passages))
    assert chosen[0] == 0 and (len(chosen) == 1 or chosen[-1] == len(passages) - 1)
    assert len(chosen) < 3 or chosen.diff().max() - chosen.diff().min() <= 1


def test_the_tokens_of_passages_are_masked_and_summed():
    passages = Passages(torch.arange(10), torch.tensor([2, 5, 6, 10]), torch.tensor([1, 1, 1]))
    assert passages.mask(torch.tensor([0, 2])).nonzero().flatten().tolist() == [2, 3, 4, 6, 7, 8, 9]
    assert passages.sums(torch.arange(10.0)).tolist() == [9, 5, 30]
