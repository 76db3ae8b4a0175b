"""GPT-2's tokenizer, on a tiny stand-in for its file, since the real one needs the internet."""

import time

import pytest
import tiktoken

from llm.tokenizers import build_tokenizer, load_tokenizer
from llm.tokenizers.gpt2 import Gpt2Tokenizer, r50k_pat_str

TINY_RANKS = {bytes([byte]): rank for rank, byte in enumerate(reversed(range(256)))}
TINY_RANKS |= {b"he": 256, b"the": 257, b" the": 258}


def tiny_encoding(name):
    return tiktoken.Encoding(
        name, pat_str=r50k_pat_str, mergeable_ranks=TINY_RANKS, special_tokens={"<|endoftext|>": 259}
    )


def test_ids_are_those_of_tiktoken(monkeypatch):
    monkeypatch.setattr(tiktoken, "get_encoding", tiny_encoding)
    tokenizer = build_tokenizer("gpt2", "the text does not matter")
    assert tokenizer.d_vocab == 260
    text = "Breathe the air, the 空气"
    assert tokenizer.encode(text) == tiny_encoding("gpt2").encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.token_text(259) == "<|endoftext|>"


def test_end_of_text_in_a_text_is_only_text():
    tokenizer = Gpt2Tokenizer(list(TINY_RANKS))
    ids = tokenizer.encode("<|endoftext|>")
    assert tokenizer.d_vocab - 1 not in ids
    assert tokenizer.decode(ids) == "<|endoftext|>"


def test_a_saved_tokenizer_needs_no_internet(tmp_path, monkeypatch):
    Gpt2Tokenizer(list(TINY_RANKS)).save(tmp_path)
    monkeypatch.setattr(tiktoken, "get_encoding", unreachable)
    assert load_tokenizer(tmp_path).encode("the") == [257]


def test_offline_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr(tiktoken, "get_encoding", unreachable)
    with pytest.raises(ValueError, match=r"could not be fetched .*TIKTOKEN_CACHE_DIR.*bpe") as raised:
        build_tokenizer("gpt2", "text")
    assert "\n" not in str(raised.value)


def test_an_internet_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: time.sleep(5))
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"no answer in 0\.1 s"):
        Gpt2Tokenizer.fetch(timeout_seconds=0.1)
    assert time.monotonic() - started < 3


def unreachable(name):
    raise ConnectionError("a long\nexplanation")
