import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llm.data.suffix_array import IndexedText, suffix_array
from llm.world import generate

# few characters, so that much repeats; one beyond 16 bits, the smallest, and half of a pair
TEXTS = st.text("ab\n\x00🦊\ud83e", max_size=60) | st.text(max_size=20)
REPEATED = st.builds(lambda text, times: text * times, st.text("abc", max_size=9), st.integers(1, 40))


@given(TEXTS | REPEATED)
def test_suffixes_are_in_alphabetical_order(text):
    assert suffix_array(text).tolist() == sorted(range(len(text)), key=lambda start: text[start:])


@given(TEXTS | REPEATED, TEXTS | REPEATED)
def test_the_longest_match_is_that_of_trying_every_length(text, wanted):
    index = IndexedText.build(text)
    for start in range(len(wanted)):
        lengths = range(len(wanted) - start + 1)
        assert index.longest_match(wanted, start) == max(n for n in lengths if wanted[start : start + n] in text)


@given(TEXTS | REPEATED, st.text("ab\n🦊", min_size=1, max_size=4))
def test_every_occurrence_is_found(text, wanted):
    found = IndexedText.build(text).occurrences(wanted)
    assert found.tolist() == [start for start in range(len(text)) if text.startswith(wanted, start)]


def test_progress_grows_until_all_suffixes_are_in_order():
    fractions = list(suffix_array.steps(generate(size=20_000)))
    assert len(fractions) > 1 and np.all(np.diff(fractions) > 0) and fractions[0] > 0 and fractions[-1] < 1
