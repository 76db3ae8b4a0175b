import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llm.world
from llm.world.checker import check
from llm.world.grammar import grammar, reader
from llm.world.names import INVENTED
from llm.world.sentences import split_sentences, split_stories
from llm.world.stories import generate
from llm.world.words import WORD

OTHER_SEEDS = range(100, 110)
SIZE = 60_000
SAMPLES = 2_000


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    """Without those that have a row of words, in which any word may stand anywhere."""
    told = [
        sentence for story in split_stories(generate(7, 250_000, strangers=True)) for sentence in split_sentences(story)
    ]
    return [sentence for sentence in told if not any("word_0" in found for _, found in reader().read(sentence))]


def test_every_sentence_of_the_training_text_is_accepted():
    found = check((Path(__file__).parents[2] / "training.txt").read_text("ascii"))
    assert [sentence.text for sentence in found.sentences if not sentence.well_formed] == []
    assert len(found.sentences) > 20_000
    assert found.well_formed_fraction == 1


@pytest.mark.parametrize("seed", OTHER_SEEDS)
def test_every_sentence_of_another_seed_is_accepted_and_no_story_contradicts_itself(seed):
    found = check(generate(seed, SIZE, strangers=seed % 2 == 0))
    assert [sentence.text for sentence in found.sentences if not sentence.well_formed] == []
    assert found.contradictions == ()


def one_word_replaced(sentence: str, chance: random.Random, words: list[str]) -> str:
    """The sentence with a random word replaced by a random word of the text; an invented name not by another one."""
    match = chance.choice(list(WORD.finditer(sentence)))
    if INVENTED.fullmatch(match[0]):
        words = [word for word in chance.sample(words, 100) if not INVENTED.fullmatch(word)]
    return sentence[: match.start()] + chance.choice(words) + sentence[match.end() :]


def two_words_swapped(sentence: str, chance: random.Random, neighbours: bool) -> str:
    """The sentence with two words exchanged; not two invented names, which are as good the other way round."""
    places = list(WORD.finditer(sentence))
    if len(places) < 2:
        return sentence
    if neighbours:
        index = chance.randrange(len(places) - 1)
        first, second = places[index], places[index + 1]
    else:
        first, second = sorted(chance.sample(places, 2), key=lambda place: place.start())
    if INVENTED.fullmatch(first[0]) and INVENTED.fullmatch(second[0]):
        return sentence
    middle = sentence[first.end() : second.start()]
    return sentence[: first.start()] + second[0] + middle + first[0] + sentence[second.end() :]


@pytest.mark.parametrize("damage", ["replaced", "swapped", "neighbours swapped"])
def test_damaged_sentences_are_rejected(sentences, damage):
    chance = random.Random(0)
    words = [word for sentence in sentences for word in WORD.findall(sentence)]
    rejected = tried = 0
    for sentence in chance.sample(sentences, SAMPLES):
        if damage == "replaced":
            damaged = one_word_replaced(sentence, chance, words)
        else:
            damaged = two_words_swapped(sentence, chance, damage == "neighbours swapped")
        if damaged != sentence:
            tried += 1
            rejected += not reader().read(damaged)
    print(f"{damage}: {rejected / tried:.4f} of {tried} rejected")
    assert tried > 0.9 * SAMPLES
    assert rejected / tried >= 0.99


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Russet was a clever fox.", "Russet was a stubborn fox."),
        ("Everyone knew how patient Tom was.", "Everyone knew how grumpy Tom was."),
        ("Tom worked at the mill, by the river.", "Tom worked at the mill, behind the inn."),
        ("Pip lived with Ada, in the bakery.", "Pip lived with Tom, in the bakery."),
        ("Sam was five years old and very sleepy.", "Sam was six years old and very sleepy."),
        ("Rosa took off her hat, and this time Bramble did not eat it.",
         "Rosa took off his hat, and this time Bramble did not eat it."),
        ("He wrote 15 - 4 = 11 in the sand with his stick.", "He wrote 15 - 4 = 12 in the sand with his stick."),
        ('"Six and seven make thirteen," said Pip.', '"Six and seven make fourteen," said Pip.'),
        ("Only Nell the sailor did not come home.", "Only Nell the baker did not come home."),
        ('"A windy one," said little Ned.', '"An windy one," said little Ned.'),
        ('"How much is an apple?" asked Lily.', '"How much is a apple?" asked Lily.'),
        ("The doors of the barn were crooked.", "The doors of the barn was crooked."),
        ("Long ago, Ada baked the bread alone.", "Long ago, Ada bakes the bread alone."),
        ("Ada gave the hat to Tom.", "Ada gave the hat to Ada."),
        ("On Monday they had bean soup, on Tuesday fish pie, and on Wednesday porridge.",
         "On Monday they had bean soup, on Thursday fish pie, and on Wednesday porridge."),
    ],
)  # fmt: skip
def test_facts_pronouns_articles_and_sums_decide(right, wrong):
    assert check(right).well_formed_fraction == 1, right
    assert check(wrong).well_formed_fraction == 0, wrong


def test_a_change_of_cast_is_a_contradiction():
    text = generate(3, 40_000)
    assert not check(text).contradictions
    found = []
    for story in split_stories(text):
        name = re.search(r"\b(Ada|Tom|Nell|Hugo|Ivy|Otto|Finn|Rosa|Greta|Jonas|Olive) the ", story)
        if name:
            place = story.rfind(name[1])
            other = {"Ada": "Nell", "Nell": "Ada", "Ivy": "Rosa", "Rosa": "Ivy", "Greta": "Olive", "Olive": "Greta",
                     "Tom": "Hugo", "Hugo": "Tom", "Otto": "Finn", "Finn": "Otto", "Jonas": "Tom"}[name[1]]  # fmt: skip
            if place > name.start() and other not in story:
                changed = check(story[:place] + other + story[place + len(name[1]) :] + "\n")
                found.append(bool(changed.contradictions) or changed.well_formed_fraction < 1)
    assert len(found) > 20
    assert sum(found) > 0.9 * len(found)


def test_the_reason_of_a_contradiction_names_both_values():
    story = (
        "Bram the shepherd had fifteen sheep on the hill. On Sunday, he counted only eleven. "
        "He wrote 15 - 3 = 12 in the sand with his stick. So three were missing.\n"
    )
    (first, *_) = check(story).contradictions
    assert first.sentence == "He wrote 15 - 3 = 12 in the sand with his stick."
    assert "15" in first.reason


STRANGERS = 'There were four guests at the inn: Zobula, Kusmobel, Dantorki and Velsanfi. "More, please," said {name}.\n'


def test_a_stranger_can_have_any_name_but_only_one():
    assert check(STRANGERS.format(name="Kusmobel")).contradictions == ()
    found = check(STRANGERS.format(name="Kusmolo"))  # another guest's name with another end
    assert found.well_formed_fraction == 1
    assert [one.sentence for one in found.contradictions] == ['"More, please," said Kusmolo.']


@pytest.mark.parametrize("name", ["Zobu", "Zobulabel", "zobula", "Ada", "Zoxula"])
def test_what_is_no_invented_name_is_rejected(name):
    assert check(STRANGERS.format(name=name)).well_formed_fraction == 0.5


def test_two_strangers_do_not_share_a_name():
    assert check('"I am Zobula," said Zobula.').well_formed_fraction == 1
    assert check('"I am Zobula," said Kusmobel.').well_formed_fraction == 0
    assert (
        check("Four strangers came over the bridge: Zobula, Zobula, Dantorki and Velsanfi.").well_formed_fraction == 0
    )


ROW = 'To open the box, one had to say: pigs pushed bath alone fall. Little Pip shut both eyes. "{row}," said Pip.\n'


def test_a_row_has_any_words_of_the_village_but_is_said_again_as_it_was():
    assert check(ROW.format(row="Pigs pushed bath alone fall")).contradictions == ()
    for row in ("Pigs pushed alone bath fall", "Pigs pushed bath alone fell"):
        found = check(ROW.format(row=row))
        assert found.well_formed_fraction == 1
        assert [one.sentence for one in found.contradictions] == [f'"{row}," said Pip.']
    assert check(ROW.format(row="Pigs pushed bath alone computer")).well_formed_fraction < 1


def test_an_open_quotation_mark_is_a_contradiction():
    text = 'Bump! Ada the baker sat up in bed. "Who is there? asked Ada.\n\nOnce more.\n'
    assert any("quotation" in found.reason for found in check(text).contradictions)


def test_last_sentence_that_is_cut_off_is_left_out():
    found = check("Not a thing was left lying about. The next day Ada the")
    assert [sentence.text for sentence in found.sentences] == ["Not a thing was left lying about."]


def test_a_text_without_a_complete_sentence_has_a_well_formed_fraction_of_0():
    assert check("").well_formed_fraction == 0
    assert check("once upon").well_formed_fraction == 0


def test_other_english_is_not_of_this_world():
    assert check("The cat sat on the mat. It was the best of times! Who goes there?").well_formed_fraction == 0


@settings(max_examples=200)
@given(st.text())
def test_any_text_can_be_read(text):
    assert 0 <= check(text).well_formed_fraction <= 1


def test_names_of_the_package_are_the_functions():
    assert llm.world.check("Not a thing was left lying about.").well_formed_fraction == 1
    assert len(llm.world.SKILLS) >= 12
    assert llm.world.generate(2, 1000) == generate(2, 1000)
    assert next(iter(llm.world.probes("days", 0))).right


def test_several_hundred_frames():
    assert len({pattern.parts for pattern in grammar()}) > 700
