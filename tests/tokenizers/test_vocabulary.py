"""The vocabulary as a table: what it says of a token can be counted in the text by hand."""

import time
from collections import Counter
from itertools import permutations, product

import pytest

from llm.tokenizers import REGISTRY, build_tokenizer
from llm.tokenizers.base import Merge
from llm.tokenizers.bpe import BpeTokenizer
from llm.tokenizers.gpt2 import Gpt2Tokenizer
from llm.tokenizers.vocabulary import AROUND, search, vocabulary

TEXT = "The fox sat. «你好», said the fox; the cat and the hat said: 你好!\n" * 4
GPT2 = Gpt2Tokenizer([*(bytes([byte]) for byte in range(256)), b"th", b"the", b" the"])


@pytest.mark.parametrize("kind", REGISTRY)
def test_each_token_has_its_bytes_parents_frequency_and_an_example(kind):
    tokenizer = GPT2 if kind == "gpt2" else build_tokenizer(kind, TEXT, {"bpe": 300, "sentencepiece": 60}.get(kind))
    tokens = vocabulary(tokenizer, TEXT)
    counts = Counter(tokenizer.encode(TEXT))
    merges = {merge.new: (merge.left, merge.right) for merge in tokenizer.merges or ()}
    assert [token.id for token in tokens] == list(range(tokenizer.d_vocab))
    assert bool(merges) == (kind in ("bpe", "gpt2"))
    for token in tokens:
        content = tokenizer.token_bytes(token.id)
        assert bytes.fromhex(token.bytes) == content and len(content) == token.length
        assert token.text == tokenizer.token_text(token.id)
        assert token.frequency == counts[token.id]
        assert token.parents == merges.get(token.id)
        if token.parents:
            assert b"".join(map(tokenizer.token_bytes, token.parents)) == content
        assert (token.example is None) == (token.frequency == 0)
        if token.example and content.decode("utf-8", errors="replace") == token.text:
            before, after = token.example
            assert before + token.text + after in TEXT
            assert len(before.encode()) <= AROUND and len(after.encode()) <= AROUND


def test_tokens_are_found_by_their_text_or_id_and_sorted():
    tokens = vocabulary(build_tokenizer("bpe", TEXT, 300), TEXT)
    found = {token.text for token in search(tokens, "·the")}
    assert " the" in found and all(" the" in text for text in found)
    assert [token.id for token in search(tokens, "270")] == [270]
    assert search(tokens) == tokens and search(tokens, "nowhere") == []
    lengths = [token.length for token in search(tokens, sort_by="length")]
    assert lengths == sorted(lengths, reverse=True) and len(lengths) == len(tokens)
    frequencies = [token.frequency for token in search(tokens, "e", "frequency")]
    assert frequencies == sorted(frequencies, reverse=True) and frequencies[0] > frequencies[-1] == 0


def test_a_vocabulary_of_8192_tokens_is_listed_in_a_moment():
    letters = range(ord("a"), ord("z") + 1)
    pairs = [Merge(*pair, new) for new, pair in enumerate(product(letters, letters), 256)]
    longer = product([pair.new for pair in pairs], letters)
    merges = [*pairs, *(Merge(*pair, new) for new, pair in enumerate(longer, 256 + len(pairs)))][: 8192 - 256]
    tokenizer = BpeTokenizer(merges)
    text = " ".join(map("".join, permutations("thequickfo", 5)))
    started = time.process_time()
    tokens = vocabulary(tokenizer, text)
    assert len(tokens) == 8192 and len(search(tokens, "a", "frequency")) > 1000
    assert time.process_time() - started < 1  # a quarter of it, measured
