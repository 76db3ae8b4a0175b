"""What holds for every tokenizer, whatever its kind."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.tokenizers import (
    REGISTRY,
    TextDecoder,
    Tokenizer,
    UnknownCharacterError,
    build_tokenizer,
    load_tokenizer,
    with_a_size,
)
from llm.tokenizers.gpt2 import Gpt2Tokenizer

TRAINING_TEXT = (
    "Once there was a fox.\n\n\tThe fox  said: «Guten Tag»,   and 你好, 你好! Привет привет 👋🏽 <s> ▁▅ \r\n" * 3
)
D_VOCAB = {"char": None, "bpe": 300, "sentencepiece": 90}
KNOWN_TEXT = st.text(alphabet=sorted(set(TRAINING_TEXT)), max_size=60)


def tiny_gpt2() -> Gpt2Tokenizer:
    merged = [b"th", b"the", b" the", b"\xe4\xbd", b"\xe4\xbd\xa0"]
    return Gpt2Tokenizer([bytes([byte]) for byte in reversed(range(256))] + merged)


TOKENIZER_OF = {kind: build_tokenizer(kind, TRAINING_TEXT, d_vocab=d_vocab) for kind, d_vocab in D_VOCAB.items()}
TOKENIZER_OF["gpt2"] = tiny_gpt2()


@pytest.fixture(params=REGISTRY)
def tokenizer(request) -> Tokenizer:
    return TOKENIZER_OF[request.param]


@pytest.mark.parametrize("kind", REGISTRY)
@given(text=KNOWN_TEXT)
def test_text_of_known_characters_round_trips(kind, text):
    tokenizer = TOKENIZER_OF[kind]
    assert tokenizer.decode(tokenizer.encode(text)) == text
    ids = tokenizer.encode_array(text)
    assert (ids.dtype, ids.tolist()) == ("int32", tokenizer.encode(text))


def test_a_long_text_encoded_in_parts_has_the_ids_of_the_whole():
    text = "ab狐\U0001f98a" * 2**18 + "b"
    tokenizer = build_tokenizer("char", text)
    assert tokenizer.encode_array(text).tolist() == tokenizer.encode(text)


@pytest.mark.parametrize("kind", REGISTRY)
@given(text=KNOWN_TEXT)
def test_characters_per_token_sum_to_the_length_of_the_text(kind, text):
    tokenizer = TOKENIZER_OF[kind]
    assert sum(tokenizer.characters_per_token[token] for token in tokenizer.encode(text)) == len(text)


@pytest.mark.parametrize("kind", REGISTRY)
@given(data=st.data())
def test_joined_token_bytes_decode_to_what_decode_gives(kind, data):
    tokenizer = TOKENIZER_OF[kind]
    ids = data.draw(st.lists(st.integers(0, tokenizer.d_vocab - 1), max_size=30))
    joined = b"".join(tokenizer.token_bytes(token) for token in ids)
    assert joined.decode("utf-8", errors="replace") == tokenizer.decode(ids)


@pytest.mark.parametrize("kind", REGISTRY)
@given(data=st.data())
def test_streamed_text_concatenates_to_the_decoded_text_for_any_ids(kind, data):
    tokenizer = TOKENIZER_OF[kind]
    ids = data.draw(st.lists(st.integers(0, tokenizer.d_vocab - 1), max_size=30))
    decoder = TextDecoder(tokenizer)
    streamed = "".join(decoder.push(token) for token in ids) + decoder.flush()
    assert streamed == tokenizer.decode(ids)


def test_a_stream_holds_a_character_back_until_it_is_complete():
    tokenizer = TOKENIZER_OF["gpt2"]
    decoder = TextDecoder(tokenizer)
    assert [decoder.push(token) for token in tokenizer.encode("a你")] == ["a", "你"]
    partial = [255 - byte for byte in "好".encode()]
    assert [decoder.push(token) for token in partial] == ["", "", "好"]
    assert decoder.push(partial[0]) == ""
    assert decoder.flush() == "\ufffd"


def test_ids_lie_in_the_vocabulary(tokenizer):
    ids = tokenizer.encode(TRAINING_TEXT)
    assert min(ids) >= 0 and max(ids) < tokenizer.d_vocab
    assert len(tokenizer.characters_per_token) == tokenizer.d_vocab


def test_the_empty_text_has_no_tokens(tokenizer):
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""


def test_saving_and_loading_changes_nothing(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer)
    assert loaded.d_vocab == tokenizer.d_vocab
    assert loaded.encode(TRAINING_TEXT) == tokenizer.encode(TRAINING_TEXT)
    tokens = range(tokenizer.d_vocab)
    assert [loaded.token_bytes(token) for token in tokens] == [tokenizer.token_bytes(token) for token in tokens]


def test_saving_leaves_only_the_files_of_the_tokenizer(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    tokenizer.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"tokenizer.json", "tokenizer.model"}
    assert json.loads((tmp_path / "tokenizer.json").read_text())["kind"] == tokenizer.kind


def test_training_twice_gives_the_same_tokenizer(tmp_path):
    for kind, d_vocab in D_VOCAB.items():
        for folder in (tmp_path / "first", tmp_path / "second"):
            folder.mkdir(exist_ok=True)
            build_tokenizer(kind, TRAINING_TEXT, d_vocab=d_vocab).save(folder)
        for file in (tmp_path / "first").iterdir():
            assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_every_token_has_a_readable_text(tokenizer):
    for token in range(tokenizer.d_vocab):
        tokenizer.token_text(token).encode()  # shows everything, also halves of characters, in valid Unicode


def test_parts_of_characters_are_shown_as_their_bytes():
    tokenizer = TOKENIZER_OF["gpt2"]
    assert tokenizer.token_text(256 + 3) == "‹e4 bd›"
    assert tokenizer.token_text(256 + 4) == "你"
    assert tokenizer.token_text(255 - 0xE4) == "‹e4›"


@pytest.mark.parametrize("token", [-1, 10**6])
def test_an_id_beyond_the_vocabulary_is_named(tokenizer, token):
    with pytest.raises(ValueError, match=rf"{token} does not exist.* 0 to {tokenizer.d_vocab - 1}"):
        tokenizer.decode([token])


@pytest.mark.parametrize("kind", ["char", "sentencepiece"])
def test_unknown_characters_are_reported_in_a_sentence(kind):
    with pytest.raises(UnknownCharacterError, match=rf"The {kind} tokenizer does not know 'ß' \(U\+00DF\)"):
        TOKENIZER_OF[kind].encode("Once there was ß")
    with pytest.raises(UnknownCharacterError, match="does not know 'ß'"):
        TOKENIZER_OF[kind].encode_array("Once there was ß")
    with pytest.raises(UnknownCharacterError, match=r"and 21 more"):
        TOKENIZER_OF[kind].encode("ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβ")


def test_half_a_surrogate_pair_is_reported_in_a_sentence(tokenizer):
    with pytest.raises(UnknownCharacterError, match=r"U\+D83D"):
        tokenizer.encode("fox \ud83d")
    with pytest.raises(UnknownCharacterError, match=r"U\+D83D"):
        tokenizer.encode_array("fox \ud83d")


@pytest.mark.parametrize("kind", D_VOCAB)
def test_half_a_surrogate_pair_in_the_training_text_is_reported(kind):
    with pytest.raises(UnknownCharacterError, match=r"U\+D83D"):
        build_tokenizer(kind, "fox \ud83d fox")


def test_special_looking_text_is_only_text(tokenizer):
    text = "<s>" if tokenizer.kind in ("char", "sentencepiece") else "<s></s><unk><|endoftext|>"
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert max(tokenizer.characters_per_token[token] for token in ids) <= 3


def test_an_unknown_kind_names_those_that_exist():
    with pytest.raises(ValueError, match="tokenizer must be one of char, bpe, sentencepiece, gpt2, got 'words'"):
        build_tokenizer("words", "a text")


@pytest.mark.parametrize("kind", REGISTRY)
def test_an_empty_text_is_refused(kind):
    with pytest.raises(ValueError, match="empty"):
        build_tokenizer(kind, "")


def test_the_kinds_with_a_default_size_are_those_that_learn_one():
    assert {kind: REGISTRY[kind].default_d_vocab for kind in with_a_size()} == {"bpe": 2048, "sentencepiece": 2048}


@pytest.mark.parametrize("kind", D_VOCAB)
def test_a_tokenizer_has_the_size_that_was_expected_of_it_or_less_where_the_text_is_short(kind):
    built, expected = build_tokenizer(kind, TRAINING_TEXT), REGISTRY[kind].expected_d_vocab(TRAINING_TEXT)
    assert built.d_vocab == expected if REGISTRY[kind].default_d_vocab is None else built.d_vocab <= expected


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        load_tokenizer(tmp_path)


DAMAGED = {
    "not JSON": b"{",
    "not UTF-8": b"\xff\xfe",
    "pickle": b"\x80\x04\x95\x0c\x00\x00\x00",
    "nested too deeply": b"[" * 100_000,
    "not an object": b"[]",
    "no kind": b"{}",
    "unknown kind": b'{"kind": "words"}',
    "kind is a list": b'{"kind": ["bpe"]}',
    "char without characters": b'{"kind": "char", "d_vocab": 1}',
    "char without any": b'{"kind": "char", "d_vocab": 0, "characters": ""}',
    "char twice": b'{"kind": "char", "d_vocab": 2, "characters": "aa"}',
    "half a surrogate pair": b'{"kind": "char", "d_vocab": 1, "characters": "\\ud83d"}',
    "wrong d_vocab": b'{"kind": "char", "d_vocab": 3, "characters": "ab"}',
    "no merges": b'{"kind": "bpe", "d_vocab": 256}',
    "merge of two": b'{"kind": "bpe", "d_vocab": 257, "merges": [[97, 98]]}',
    "merge of text": b'{"kind": "bpe", "d_vocab": 257, "merges": [["a", "b", 256]]}',
    "merge of a later token": b'{"kind": "bpe", "d_vocab": 257, "merges": [[97, 256, 256]]}',
    "negative merge": b'{"kind": "bpe", "d_vocab": 257, "merges": [[-1, 97, 256]]}',
    "merges out of order": b'{"kind": "bpe", "d_vocab": 258, "merges": [[97, 98, 257], [98, 99, 256]]}',
    "merge twice": b'{"kind": "bpe", "d_vocab": 258, "merges": [[97, 98, 256], [97, 98, 257]]}',
    "more memory than there is": json.dumps(
        {
            "kind": "bpe",
            "d_vocab": 756,
            "merges": [[max(new - 1, 97), max(new - 1, 97), new] for new in range(256, 756)],
        }
    ).encode(),
    "no model": b'{"kind": "sentencepiece", "d_vocab": 3, "stand_ins": {}}',
    "no stand-ins": b'{"kind": "sentencepiece", "d_vocab": 3}',
    "stand-ins of several characters": b'{"kind": "sentencepiece", "d_vocab": 3, "stand_ins": {"\\n\\r": "a"}}',
    "stand-in is a number": b'{"kind": "sentencepiece", "d_vocab": 3, "stand_ins": {"\\n": 3}}',
    "gpt2 without its tokens": b'{"kind": "gpt2", "d_vocab": 50257}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_tokenizer_is_one_clear_sentence(content, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"The tokenizer file .*tokenizer\.json is damaged: ") as raised:
        load_tokenizer(tmp_path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 500


@pytest.mark.parametrize("kind", ["sentencepiece", "gpt2"])
@pytest.mark.parametrize(
    "damage", [lambda model: model[: len(model) // 2], lambda model: b"\x00" + model, lambda model: b""]
)
def test_a_damaged_model_file_is_one_clear_sentence(kind, damage, tmp_path):
    TOKENIZER_OF[kind].save(tmp_path)
    model = (tmp_path / "tokenizer.model").read_bytes()
    (tmp_path / "tokenizer.model").write_bytes(damage(model))
    with pytest.raises(ValueError, match=r"tokenizer\.json is damaged: ") as raised:
        load_tokenizer(tmp_path)
    assert "\n" not in str(raised.value)
