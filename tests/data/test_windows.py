import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm.data import Parts, TextData, decode_text, read_text, split_text, train_tokenizer
from llm.data.passages import Passages
from llm.runs.corpus import WITHOUT_TEST
from llm.tokenizers import build_tokenizer
from llm.tokenizers.char import CharTokenizer

CPU = torch.device("cpu")


def counting(train: int, validation: int, n_ctx: int) -> TextData:
    """Every id is its own index in its part; those of the validation part are 1,000,000 more."""
    ids = torch.arange(max(train, validation), dtype=torch.int32)
    return TextData(ids[:train], one_passage(ids[:validation] + 1_000_000), n_ctx)


def one_passage(ids: torch.Tensor) -> Passages:
    return Passages(ids, torch.tensor([1, len(ids)]), torch.tensor([len(ids) - 1]))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*nothing\.txt"):
        read_text(tmp_path / "nothing.txt")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} is a folder"):
        read_text(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \r\n\t\n"], ids=["nothing", "only a mark", "white space"])
def test_a_file_without_text_is_refused(content, tmp_path):
    path = tmp_path / "empty.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"empty\.txt is empty"):
        read_text(path)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
@pytest.mark.parametrize("before", ["", "fox ", "лиса "])
def test_bytes_that_are_not_utf8_are_named_with_their_place_in_the_file(mark, before):
    content = mark + before.encode() + b"\xe9t\xe9"
    with pytest.raises(ValueError, match=rf"fox\.txt is not UTF-8.* 0xe9 at offset {content.index(0xE9)} "):
        decode_text(content, "fox.txt")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "text",
    [
        "a fox",
        "Рыжая лиса видела, как старый лис шёл домой.\n" * 3,
        "ήταν μια φορά μια αλεπού 🦊\n" * 9,
        "".join(chr(0x4E00 + 37 * count % 5000) for count in range(500)) + "\n",
    ],
    ids=["Latin", "Cyrillic", "Greek", "Chinese"],
)
def test_text_in_utf16_or_utf32_is_refused_by_name(text, encoding):
    for mark in ("", "\ufeff") if encoding.endswith("e") else ("",):
        with pytest.raises(
            ValueError, match=rf"fox\.txt is not UTF-8 text but {encoding[:6].upper()}: save it as UTF-8"
        ):
            decode_text((mark + text).encode(encoding), "fox.txt")


def test_utf8_text_with_a_few_zero_bytes_is_text():
    text = "A fox.\0 An old fox saw it.\0\0 Лиса." * 9
    assert decode_text(text.encode(), "fox.txt") == text


def test_a_byte_order_mark_is_removed(tmp_path):
    path = tmp_path / "fox.txt"
    path.write_bytes("a fox, 狐".encode("utf-8-sig"))
    assert read_text(path) == "a fox, 狐"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), min_size=1), st.data())
def test_every_kind_of_line_end_becomes_a_newline_and_nothing_else_changes(lines, data):
    lines = ["x", *lines]
    ends = [data.draw(st.sampled_from(["\r\n", "\n"])) for _ in lines]
    content = "".join(line + end for line, end in zip(lines, ends, strict=True)).encode()
    assert decode_text(content, "mixed") == "".join(line + "\n" for line in lines)
    assert decode_text("\r".join(lines).encode(), "old") == "\n".join(lines)


@given(st.text(st.sampled_from("ab \n"), max_size=700))
def test_the_parts_of_a_split_are_the_text_cut_at_90_and_95_percent(text):
    parts = split_text(text)
    assert "".join(parts) == text
    for percent, end in ((90, len(parts.train)), (95, len(parts.train + parts.validation))):
        exact = len(text) * percent // 100
        assert exact - len(text) // 100 <= end <= exact


@given(st.text(st.sampled_from("ab \n"), max_size=700))
def test_without_a_test_part_training_is_the_same_and_the_rest_is_for_validation(text):
    """As runs had it before there was a test part: they are resumed with it."""
    train, validation, test = split_text(text, WITHOUT_TEST)
    assert (train, validation + test, test) == (split_text(text).train, text[len(train) :], "")


@pytest.mark.parametrize(("percent", "part"), [(90, 0), (95, 1)])
@given(st.integers(100, 3000), st.data())
def test_a_cut_is_after_the_last_line_break_within_a_hundredth(percent, part, length, data):
    exact = length * percent // 100
    near = range(exact - length // 100, exact)
    breaks = data.draw(st.sets(st.integers(0, length - 1)))
    text = "".join("\n" if index in breaks else "x" for index in range(length))
    end = len("".join(split_text(text)[: part + 1]))
    assert end == max((index + 1 for index in breaks if index in near), default=exact)


@pytest.mark.parametrize("kind", ["char", "bpe", "sentencepiece"])
def test_each_part_is_tokenised_on_its_own(kind):
    text = "the dog " * 40 + "the dog"  # the cut falls into a word, and tokens span words
    tokenizer = build_tokenizer(kind, text, d_vocab=270)
    data = TextData.from_text(text, tokenizer, n_ctx=2)
    train, validation, _ = split_text(text)
    assert tokenizer.decode(data.train.tolist()) == train
    assert tokenizer.decode(data.validation.tokens.tolist()) == validation
    assert data.train.dtype == data.validation.tokens.dtype == torch.int32


@pytest.mark.parametrize("kind", ["char", "bpe", "sentencepiece"])
def test_a_tokenizer_learns_from_the_training_part_alone_and_can_encode_every_part(kind):
    """Another text after the training part, of the same characters, changes nothing; a new one gets a token at most."""
    train = "the red fox saw ten small birds\n" * 90
    known, other = "the red fox saw ten small birds\n" * 10, "ten tens ten tens of tens  fox fox\n" * 9
    first, second = (train_tokenizer(kind, train + rest.ljust(320, " "), 300) for rest in (known, other))
    assert split_text(train + known).train == train
    vocabulary = {first.token_bytes(token) for token in range(first.d_vocab)}
    assert {second.token_bytes(token) for token in range(second.d_vocab)} == vocabulary

    text = train + "狐狸 and ÿ".rjust(320, "x")
    third = train_tokenizer(kind, text, 300)
    assert third.decode(third.encode(text)) == text
    new = {third.token_bytes(token) for token in range(third.d_vocab)} - vocabulary
    assert new <= {character.encode() for character in "狐狸ÿ"}


def test_no_window_crosses_the_cut():
    data = counting(train=50, validation=20, n_ctx=7)
    inputs, targets = data.batch(2000, 0, 0, CPU)
    assert max(inputs.max(), targets.max()) == 49  # ids of the validation part begin at 1,000,000
    inputs, targets = data.evaluation_windows(100)
    assert min(inputs.min(), targets.min()) == 1_000_000


@pytest.mark.parametrize(("length", "n_ctx", "sizes"), [(100, 95, "90.*96"), (20, 10, "1.*2"), (5, 5, "4.*6")])
def test_a_text_that_is_too_short_is_refused_with_the_numbers(length, n_ctx, sizes):
    """The training part needs a window, the validation part a token and one before it."""
    tokenizer = CharTokenizer("x")
    with pytest.raises(
        ValueError, match=rf"too short: .* has {sizes.replace('.*', f' tokens.* n_ctx={n_ctx} it needs ')}"
    ):
        TextData.from_text("x" * length, tokenizer, n_ctx)


def test_the_shortest_possible_text_gives_its_only_windows():
    data = TextData.from_text("abcdefghij" * 4, CharTokenizer("abcdefghij"), n_ctx=7)
    inputs, targets = data.evaluation_windows(5)
    assert (inputs.tolist(), targets.tolist()) == ([[6]], [[7]])


@given(st.integers(1, 20), st.integers(1, 40), st.integers(1, 8), st.integers(0, 10**6), st.integers(0, 2**32))
def test_inputs_and_targets_are_consecutive_tokens_of_the_training_part(n_ctx, extra, batch_size, number, seed):
    data = counting(n_ctx + extra, n_ctx + 1, n_ctx)
    inputs, targets = data.batch(batch_size, number, seed, CPU)
    assert inputs.shape == targets.shape == (batch_size, n_ctx)
    assert inputs.dtype == targets.dtype == torch.int64
    assert torch.equal(inputs, inputs[:, :1] + torch.arange(n_ctx))
    assert torch.equal(targets, inputs + 1)
    assert inputs.min() >= 0
    assert targets.max() < len(data.train)


@pytest.mark.parametrize("train", [9, 12, 30])
def test_every_window_of_the_training_part_is_drawn_and_about_as_often(train):
    data = counting(train, 9, n_ctx=8)
    inputs, targets = data.batch(20_000, 0, 0, CPU)
    counts = torch.bincount(inputs[:, 0])
    assert len(counts) == train - 8  # the last start is the last at which a window and its target fit
    assert targets.max() == train - 1
    expected = 20_000 / len(counts)
    assert ((counts - expected).abs() < 5 * expected**0.5 + 1).all()


def test_after_as_many_tokens_as_there_are_nearly_every_passage_was_read_and_none_often():
    """Random starts would leave a third unread: e**-1."""
    data = counting(train=100_000, validation=100, n_ctx=100)
    for first in (0, 300):  # from the start of a run and later
        inputs = torch.cat([data.batch(10, number, 0, CPU)[0] for number in range(first, first + 100)])
        times = torch.bincount(inputs.flatten(), minlength=100_000)
        assert (times == 0).float().mean() < 0.15
        assert times.max() <= 3


def test_the_same_seed_gives_the_same_batches_and_batches_of_any_size_the_same_windows():
    data = counting(1000, 100, n_ctx=8)
    for number in range(3):
        batch = data.batch(4, number, 3, CPU)[0]
        assert torch.equal(batch, data.batch(4, number, 3, CPU)[0])
        assert not torch.equal(batch, data.batch(4, number, 4, CPU)[0])
    small = [data.batch(4, number, 3, CPU)[0] for number in range(3)]
    assert torch.equal(torch.cat(small), data.batch(12, 0, 3, CPU)[0])


@given(st.integers(1, 12), st.integers(2, 400), st.integers(1, 60))
def test_evaluation_windows_are_fixed_apart_and_evenly_spread(n_ctx, validation, count):
    data = counting(n_ctx + 1, max(validation, n_ctx + 1), n_ctx)
    inputs, targets = data.evaluation_windows(count)
    available = (len(data.validation.tokens) - 1) // n_ctx
    assert len(inputs) == min(count, available)
    assert torch.equal(targets, inputs + 1)
    assert targets.max() <= 1_000_000 + len(data.validation.tokens) - 1
    assert len(targets.unique()) == targets.numel()  # no token is predicted twice
    starts = (inputs[:, 0] - 1_000_000) // n_ctx
    if len(starts) > 1:
        assert starts[0] == 0 and starts[-1] == available - 1
        ideal = torch.arange(len(starts), dtype=torch.float64) * (available - 1) / (len(starts) - 1)
        assert (starts - ideal).abs().max() <= 0.5 + 1e-6
    assert torch.equal(inputs, data.evaluation_windows(count)[0])


@pytest.mark.parametrize(("available", "count"), [(6981, 6980), (17_948, 17_946), (199_402, 199_401)])
def test_many_evaluation_windows_are_apart_too(available, count):
    """In float32 the rounding of evenly spread places met one window twice."""
    inputs, _ = counting(2, available + 1, n_ctx=1).evaluation_windows(count)
    assert len(inputs.unique()) == count


def test_windows_are_views_and_the_text_is_never_copied():
    """A tenth of a terabyte, if each window had its own tokens: there are 10 million of 10,001."""
    ids = torch.zeros(1, dtype=torch.int32).expand(10_000_000)  # one number, seen ten million times
    data = TextData(ids, one_passage(ids), n_ctx=10_000)
    inputs, _ = data.batch(2, 0, 0, CPU)
    assert inputs.untyped_storage().nbytes() == 2 * 10_001 * 8
    assert data.evaluation_windows(3)[0].untyped_storage().nbytes() == 3 * 10_001 * 8


def test_data_cannot_be_changed_by_accident():
    data = counting(20, 20, 4)
    inputs, _ = data.batch(2, 0, 0, CPU)
    inputs.zero_()
    assert torch.equal(data.train, torch.arange(20, dtype=torch.int32))
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.n_ctx = 5


def test_one_character_of_validation_text_is_too_few_even_as_several_tokens():
    parts = Parts("the fox " * 20, "🦊", "")
    with pytest.raises(ValueError, match="its validation part has one character, and it needs two"):
        TextData.from_parts(parts, build_tokenizer("bpe", parts.train, 260), n_ctx=8)
