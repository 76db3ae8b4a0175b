import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm.world import DEFAULT_SEED, DEFAULT_SIZE, plots
from llm.world.chance import Chance
from llm.world.grammar import reader
from llm.world.names import INVENTED, SYLLABLES
from llm.world.sentences import split_sentences, split_stories
from llm.world.stories import generate, tell_stories
from llm.world.telling import Story

TRAINING_TEXT = Path(__file__).parents[2] / "training.txt"
OTHER_SEED = 20
SIZE = 300_000


@pytest.fixture(scope="module")
def text() -> str:
    return generate(DEFAULT_SEED, DEFAULT_SIZE)


@pytest.fixture(scope="module")
def with_strangers() -> str:
    return generate(strangers=True)


@pytest.fixture(scope="module")
def stories(text: str) -> list[str]:
    return (text + "\n" + generate(OTHER_SEED, SIZE, strangers=True)).strip().split("\n\n")


@pytest.fixture(scope="module")
def tellings() -> dict[plots.Plot, list[str]]:
    """Sixty stories of each plot."""

    def tell(plot: plots.Plot, seed: int) -> str:
        story = Story(Chance(seed))
        plot(story)
        return story.text

    return {plot: [tell(plot, seed) for seed in range(60)] for plot in plots.ALL_PLOTS}


def sentences(story: str) -> list[str]:
    flat = story.replace("\n", " ")
    return re.split(r'(?<=[.!?]) (?!"? ?[a-z])|(?<=[.!?]") (?![a-z])', flat)


def test_training_text_is_the_default_text_byte_for_byte(text):
    assert TRAINING_TEXT.read_bytes() == text.encode("ascii")


def test_strangers_text_is_generated_too(with_strangers):
    assert TRAINING_TEXT.with_name("strangers.txt").read_bytes() == with_strangers.encode("ascii")


def test_same_seed_gives_the_same_text_and_another_seed_another():
    assert generate(5, 20_000) == generate(5, 20_000)
    assert generate(5, 20_000) != generate(6, 20_000)


@pytest.mark.parametrize("size", [2_000, 20_000, 200_000])
def test_text_fills_the_size_up_to_one_story(size):
    assert size - 1_800 < len(generate(3, size).encode()) <= size


def test_larger_size_continues_the_smaller_text():
    assert generate(3, 50_000).startswith(generate(3, 20_000))


@pytest.mark.parametrize(
    ("seed", "size", "problem"), [(-1, 1000, "seed must be .*, got -1"), (0, 0, "size must be .*, got 0")]
)
def test_impossible_arguments_are_named(seed, size, problem):
    with pytest.raises(ValueError, match=problem):
        generate(seed, size)


def test_chance_is_the_same_on_every_python_version():
    chance = Chance(7)
    assert [chance.number(1, 100) for _ in range(8)] == [33, 16, 66, 8, 54, 37, 6, 51]
    assert chance.several("abcdef", 6) == ["a", "d", "b", "c", "e", "f"]


def test_text_is_plain_ascii_with_few_characters(text):
    assert text.isascii()
    assert len(set(text)) < 80


def test_vocabulary_is_varied(text):
    assert len(set(re.findall(r"[a-z]+", text.lower()))) >= 1_500


def test_every_slot_and_bracket_is_filled(stories):
    for story in stories:
        without_rows = re.sub(r"\bNone(?=( [a-z]+){4})", "", story)  # none is one of the words in rows
        assert not re.search(r"[{}\[\]|_]|None|  |\.\.", without_rows), story


def test_quotation_marks_close_in_every_story(stories):
    for story in stories:
        assert story.count('"') % 2 == 0, story
        inside = story.split('"')[1::2]
        assert all(speech and speech == speech.strip() and speech[-1] in ".,!?:" for speech in inside), story


def test_every_sentence_starts_with_a_capital_and_ends_with_a_mark(stories):
    for story in stories:
        for sentence in sentences(story):
            assert re.match(r'(- )?"?[A-Z]|- [a-z]', sentence), (sentence, story)
            assert re.search(r'[.!?]"?$', sentence), (sentence, story)


def test_a_stands_before_consonants_and_an_before_vowels(stories):
    for story in stories:
        assert not re.search(r"\b[Aa] (?:[aeiou]|honest\b|hour\b)", story), story
        assert not re.search(r"\b[Aa]n (?!hour\b|honest\b)[^aeiouAEIOU]", story), story


def test_a_strangers_name_is_in_one_story_only_and_in_no_other_word(text, with_strangers):
    told = [Counter(name[0] for name in INVENTED.finditer(story)) for story in split_stories(with_strangers)]
    assert max(Counter(itertools.chain.from_iterable(told)).values()) == 1
    counts = [count for names in told for count in names.values()]
    assert len(counts) > 3_000
    assert min(counts) >= 2  # each is written at least once more: it has to be looked up
    syllable = "|".join(SYLLABLES)
    names = set(re.findall(rf"\b(?:{syllable}){{3}}\b", with_strangers.lower()))
    assert {name.lower() for story in told for name in story} == names
    assert not INVENTED.search(text)


def test_a_row_of_words_is_said_again_in_its_story_and_in_no_other():
    told = Counter()
    for story in itertools.islice(tell_stories(Chance(DEFAULT_SEED), strangers=True), 2_000):
        if "length" in story.roles and "word_0" in story.roles:
            row = " ".join(str(story.roles[f"word_{number}"]) for number in range(int(str(story.roles["length"]))))
            assert story.text.lower().count(row) >= 2, story.text
            told[row] += 1
    assert len(told) > 600 and max(told.values()) == 1


def test_written_sums_are_right(tellings):
    """They are rare in a text of many plots, so each plot is told often."""
    told = "\n".join(itertools.chain.from_iterable(tellings.values()))
    sums = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", told)
    assert len(sums) > 50 and {sign for _, sign, _, _ in sums} == {"+", "-"}
    for left, sign, right, result in sums:
        assert int(left) + (int(right) if sign == "+" else -int(right)) == int(result)


def test_stories_hardly_ever_repeat(text):
    told = text.strip().split("\n\n")
    assert len(set(told)) > 0.99 * len(told)
    assert all(story != following for story, following in itertools.pairwise(told))


def test_no_story_is_one_form_filled_twice():
    """Within fifty stories, two tellings of a plot have at most half of their frames in common."""
    told: list[tuple[str, set[str]]] = []
    pairs = 0
    for plot, frames in itertools.islice(plots_and_frames(Chance(DEFAULT_SEED)), 1_000):
        for other, before in told[-49:]:
            if other == plot:
                pairs += 1
                assert 2 * len(frames & before) / (len(frames) + len(before)) <= 0.5, (plot, frames & before)
        told.append((plot, frames))
    assert pairs > 1_000


def plots_and_frames(chance: Chance) -> Iterator[tuple[str, set[str]]]:
    for story in tell_stories(chance):
        readings = Counter(
            pattern.plot for sentence in split_sentences(story.text) for pattern, _ in reader().read(sentence)
        )
        yield readings.most_common(1)[0][0], story.frames


def test_stories_are_short(stories):
    for story in stories:
        rows_said = any(
            "word_0" in found for sentence in split_sentences(story) for _, found in reader().read(sentence)
        )
        assert (3 if rows_said else 4) <= len(split_sentences(story)) <= 15, story
        assert len(story) < 1_800


@pytest.mark.parametrize("plot", plots.ALL_PLOTS, ids=lambda plot: plot.__name__)
def test_each_plot_is_told_in_many_ways(plot, tellings):
    assert len(set(tellings[plot])) >= 58
