import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.data.matches import COPIED, KNOWN, Matches, controls, copied_from, kind, matches, mean_share
from llm.data.suffix_array import IndexedText

TEXTS = st.text("abc ", max_size=40)


@given(TEXTS, TEXTS)
def test_matches_agree_with_trying_every_stretch_of_the_text(training, text):
    stretches = [
        (start, end)
        for start in range(len(text))
        for end in range(start + 1, len(text) + 1)
        if text[start:end] in training
    ]
    longest = [
        max((end - start for start, end in stretches if start <= index < end), default=0) for index in range(len(text))
    ]
    found = matches(text, IndexedText.build(training))
    assert found.length.tolist() == longest
    for index, (start, length) in enumerate(zip(found.start, found.length, strict=True)):
        assert start <= index and text[start : start + length] in training
        assert length == 0 or index < start + length
    for characters in range(6):
        wanted = sum(length >= characters for length in longest) / len(longest) if longest else 0.0
        assert found.share(characters) == pytest.approx(wanted)


@given(TEXTS, TEXTS)
def test_spans_are_the_text_without_a_gap_and_lie_in_their_matches(training, text):
    found = matches(text, IndexedText.build(training))
    spans = found.spans()
    assert "".join(text[span.start : span.end] for span in spans) == text
    for span in spans:
        assert set(found.length[span.start : span.end].tolist()) == {span.match_end - span.match_start}
        assert span.match_start <= span.start < span.end <= max(span.match_end, span.start + 1)


def lengths(*length: int) -> Matches:
    return Matches(np.arange(len(length)), np.array(length))


def test_a_match_counts_as_copied_only_if_held_out_text_seldom_has_one_as_long():
    assert copied_from([lengths(*[10] * 100)]) == COPIED
    assert copied_from([lengths(*[70] * 60, *[90] * 35, *[200] * 5)]) == 91
    assert copied_from([lengths(*[70] * 60), lengths(*[90] * 34, *[200] * 6)]) == 201  # more than 5% have 200
    assert copied_from([lengths()]) == COPIED
    assert [kind(length, 60) for length in (0, KNOWN - 1, KNOWN, 59, 60)] == [
        "new", "new", "recombined", "recombined", "copied",
    ]  # fmt: skip


def test_held_out_text_is_compared_in_pieces_of_the_same_length():
    text = "".join(map(chr, range(1000, 2000)))
    pieces = controls(text, 100)
    assert [len(piece) for piece in pieces] == [100] * 8 and pieces[0] == text[:100] and pieces[-1] == text[-100:]
    assert controls(text, 400) == [text[:400], text[-400:]]
    assert controls(text, 5000) == [text]
    assert mean_share([lengths(1, 9), lengths(9, 9)], 5) == 0.75
