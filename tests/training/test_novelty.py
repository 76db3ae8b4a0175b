import pytest

from llm.training.novelty import seen_in_training, sentences

TRAIN = 'A fox sat. It saw a hen! "Who is there?" it asked.\n\nNobody\nThe end.'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRAIN, ["A fox sat.", "It saw a hen!", '"Who is there?"', "it asked.", "Nobody", "The end."]),
        ("狐狸看见了鸟。鸟飞了！“好。”他说。", ["狐狸看见了鸟。", "鸟飞了！", "“好。”", "他说。"]),
        ("Рыжая лиса… Где она? «Там.» Да", ["Рыжая лиса…", "Где она?", "«Там.»", "Да"]),
        ("3.5 and a.b", ["3.5 and a.b"]),
        (" \n\n ", []),
    ],
)
def test_a_sentence_ends_at_its_mark_or_its_line(text, expected):
    assert list(sentences(text)) == expected


def test_sentences_are_seen_if_training_has_them_word_for_word():
    seen = seen_in_training(TRAIN, "It saw a hen! It saw a fox!", "Nobody The end. The end.\n", "A fox", "")
    assert seen == [0.5, 0.5, 0.0, None]
