"""Text that only looks like a special token is text: no tokenizer makes the token's id from it."""

import json

import pytest

from llm.tokenizers import build_tokenizer
from llm.tokenizers.huggingface import HuggingFaceTokenizer, StandaloneTokenizer

SPECIAL = ["<unk>", "</s>", "<|endoftext|>", "[CLS]"]
HOSTILE = [
    *SPECIAL,
    "a</s>b",
    " </s> ",
    "</s></s>",
    "<|endoftext|><|endoftext|>",
    "a <|endoftext|> [CLS] </s>",
    "[CLS]a",
]
CHARACTERS = sorted(set("".join(HOSTILE)) | {"▁"})
LEARNED = [*CHARACTERS, "</", "s>", "▁a"]


def words():
    vocab = {piece: token for token, piece in enumerate([*SPECIAL, *LEARNED])}
    return {"pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": {"type": "Fuse"},
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"}}  # fmt: skip


def pieces():
    scores = [[piece, 0.0] for piece in SPECIAL] + [[piece, -2.0] for piece in LEARNED]
    spaces = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True}
    return {"pre_tokenizer": spaces, "decoder": spaces,
            "model": {"type": "Unigram", "unk_id": 0, "vocab": scores, "byte_fallback": False}}  # fmt: skip


def whole_words():
    """Byte pairs that take a word as it is where the vocabulary has it, as Llama 3's."""
    vocab = {piece: token for token, piece in enumerate([*SPECIAL, *LEARNED])}
    return {"pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": {"type": "Fuse"},
            "model": {"type": "BPE", "vocab": vocab, "merges": [["<", "/"], ["s", ">"]], "ignore_merges": True,
                      "unk_token": "<unk>"}}  # fmt: skip


def imported(parts):
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{"id": token, "content": content, **plain} for token, content in enumerate(SPECIAL)]
    content = {"version": "1.0", "added_tokens": added, "normalizer": None, "post_processor": None, **parts}
    return HuggingFaceTokenizer(json.dumps(content).encode(), len(SPECIAL) + len(LEARNED), 2)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", [words, pieces, whole_words])
def test_no_text_becomes_a_special_token_of_an_imported_tokenizer(kind, text, tmp_path):
    tokenizer = imported(kind())
    ids = tokenizer.encode(text)
    assert ids and not set(ids) & set(range(1, len(SPECIAL)))
    if kind is not words:
        assert tokenizer.decode(ids).replace(" ", "") == text.replace(" ", "")
    assert [tokenizer.token_bytes(token) for token in range(4)] == [content.encode() for content in SPECIAL]
    tokenizer.save(tmp_path)
    assert StandaloneTokenizer(tmp_path).encode(text) == ids


@pytest.mark.parametrize("kind", ["char", "bpe", "sentencepiece"])
def test_no_text_becomes_the_end_of_text_of_an_own_tokenizer(kind):
    tokenizer = build_tokenizer(kind, "The end. " + " ".join(HOSTILE) * 40, None if kind == "char" else 350)
    tokenizer.add_end_of_text()
    for text in HOSTILE:
        ids = tokenizer.encode(text)
        assert tokenizer.end_of_text not in ids and tokenizer.decode(ids) == text
