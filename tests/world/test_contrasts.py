"""Contrasts: two texts of the world with one clue exchanged, which therefore go on differently."""

import re

import pytest

from llm.world import check
from llm.world.contrasts import CONTRASTS, contrasts
from llm.world.words import ANIMALS, PEOPLE

SUBJECT = {being.name: being.he for being in (*PEOPLE, *ANIMALS)}


@pytest.mark.parametrize("skill", CONTRASTS)
def test_a_contrast_differs_in_its_clue_and_mirrors_its_answers(skill):
    found = list(contrasts(skill))
    assert len(found) > 20
    assert len(set(found)) == len(found)
    for one in found:
        assert one.clean != one.corrupt and one.right != one.wrong


def test_an_exchanged_name_asks_for_the_other_pronoun():
    forms = {"he": {" he", " him", " his"}, "she": {" she", " her"}}
    for one in contrasts("pronouns"):
        names = [set(re.findall(rf"\b(?:{'|'.join(SUBJECT)})\b", text)) for text in (one.clean, one.corrupt)]
        (clean,), (corrupt,) = names
        assert one.clean.replace(clean, corrupt) == one.corrupt
        assert one.right.lower() in forms[SUBJECT[clean]] and one.wrong.lower() in forms[SUBJECT[corrupt]]


def test_the_time_that_is_named_asks_for_the_tense():
    for one in contrasts("tenses"):
        assert one.clean.partition(", ")[2] == one.corrupt.partition(", ")[2]


def test_whole_sentences_of_the_corrupted_text_could_stand_in_the_world():
    """Its end is no sentence yet; what stands before it is."""
    whole = [one.corrupt for one in contrasts("pronouns") if re.search(r'[.!?]"? ', one.corrupt)]
    for text in whole:
        sentences = re.match(r'.*[.!?]"?(?= )', text)
        assert sentences is None or check(sentences[0]).well_formed_fraction == 1


def test_a_skill_without_contrasts_is_refused():
    with pytest.raises(ValueError, match="skill must be one of pronouns, tenses, got 'rhymes'"):
        next(contrasts("rhymes"))
