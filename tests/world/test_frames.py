import pytest

from llm.world.chance import Chance
from llm.world.entropy import entropy
from llm.world.frames import Choice, Hole, joined, parse
from llm.world.tables import numbers, table
from llm.world.telling import Story
from llm.world.words import PERSON


def test_parts_of_a_frame():
    assert parse('{a.his} [big|old] hat {sum:digits?sums:slip}, {b?names}."') == (
        Hole("a", ("his",)),
        " ",
        Choice(("big", "old")),
        " hat ",
        Hole("sum", (), "digits", "sums", "slip"),
        ", ",
        Hole("b", (), "", "names"),
        '."',
    )


@pytest.mark.parametrize(
    ("text", "more", "expected"),
    [
        ("", "once", "Once"),
        ('"', "six", '"Six'),
        ("He sat. ", "then", "He sat. Then"),
        ('"Why?" ', "he", '"Why?" he'),
        ("It was a ", "owl", "It was an owl"),
        ("It was a ", "mouse", "It was a mouse"),
        ("", "a honest a old", "An honest an old"),
    ],
)
def test_capitals_and_articles(text, more, expected):
    assert joined(text, more) == expected


def test_numbers_lists_every_combination():
    rows = numbers(x=(1, 2), y=(5, 6), sum=lambda x, y: x + y, where=lambda x, sum: x + sum != 7)
    assert rows == ({"x": 1, "y": 6, "sum": 7}, {"x": 2, "y": 5, "sum": 7}, {"x": 2, "y": 6, "sum": 8})
    assert table("a b", (("x", "y"),)) == ({"a": "x", "b": "y"},)


def test_a_question_knows_its_context_and_both_words():
    story = Story(Chance(0), asking="skill")
    story.put("a", PERSON["Ada"])
    story.put("b", PERSON["Tom"])
    story.say("{a} met {b}.")
    story.say('"Who was it?" asked {a}. "It was {b?skill:a}," said {a}.')
    (question,) = story.questions
    assert question.context == 'Ada met Tom. "Who was it?" asked Ada. "It was '
    assert (question.right, question.wrong) == ("Tom,", "Ada,")


def test_entropy_counts_what_can_be_seen():
    found = entropy(300)
    assert 0.03 < found.bits_per_character < 0.3
    assert found == entropy(300)
    story = Story(Chance(0))
    story.choose("tree", "oak", "elm", "elm", "ash")
    assert story.hidden_bits == story.chance.bits == 2  # nothing has been told
    story.put("tree", "elm", ("oak", "elm", "elm", "ash"))
    with pytest.raises(ValueError, match="stories must be at least 1, got 0"):
        entropy(0)
