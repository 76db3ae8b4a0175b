"""The causal test tells the parts of a circuit built by hand from the parts that do nothing."""

import pytest
import torch
from interpret_models import induction_model

from llm.interpret.copied_pieces import copied_pieces
from llm.interpret.copying_examples import copying_examples
from llm.interpret.copying_test import (
    Experiment,
    Repetition,
    answer_probabilities,
    copying_losses_without,
    last_repetition,
    other_pieces,
)

PROMPT = (3, 5, 7, 1, 2, 4, 6, 5)  # 5 occurred before, and 7 came after it
TRAIN = torch.tensor([5, 9, 5, 9, 5, 8, 5, 7, 5, 7, 5, 7, 0, 0, 0, 0, 11, 12, 13])


def test_the_last_repetition_ends_a_prompt():
    assert last_repetition(PROMPT) == Repetition(PROMPT, 1)
    assert Repetition(PROMPT, 1).piece == 7
    assert last_repetition((*PROMPT, 7, 13)) == Repetition(PROMPT, 1)  # the text itself goes on with 7
    assert last_repetition((*PROMPT, 8, 13)) is None  # it does not: nothing is copied
    assert last_repetition((1, 2, 3, 4)) is None
    assert last_repetition((1, 2, 1)) is None  # too near
    assert last_repetition(()) is None
    assert last_repetition((*PROMPT, 7)) == Repetition((*PROMPT, 7), 2)
    assert last_repetition((*PROMPT, 7), known=True) == Repetition(PROMPT, 1)
    ends_repeated = (1, 2, 3, 4, 5, 6, 1, 2)
    assert last_repetition(ends_repeated) == Repetition(ends_repeated, 1)
    assert last_repetition(ends_repeated, known=True) == Repetition(ends_repeated[:-1], 0)


def test_another_piece_takes_every_place_from_which_the_piece_could_be_copied():
    prompt = (5, 7, 1, 7, 5, 7, 2, 3, 4, 5)
    repetition = Repetition(prompt, 4)
    assert repetition.positions == [1, 5]
    assert repetition.replaced(9) == (5, 9, 1, 7, 5, 9, 2, 3, 4, 5)


def test_other_pieces_are_copied_elsewhere_and_about_as_common_after_the_same_token():
    repetition = Repetition(PROMPT, 1)
    among = torch.tensor([0, 2, 7, 8, 9, 11, 15])
    # 5 is followed by 7 three times, 9 twice, 8 once, the others never: then 0 (4 times in all), 11 (once), 15 (never)
    # come by how near they are to the 3 times of 7 in all; 2 and 7 are in the prompt
    assert other_pieces(TRAIN, repetition, among) == [9, 8, 0, 11, 15]
    assert other_pieces(TRAIN, repetition, among, count=1) == [9]
    assert other_pieces(TRAIN, repetition, among[:0])[:3] == [9, 8, 0]
    everything = Repetition((0, 1, 2, 3, 0), 0)
    assert set(other_pieces(torch.tensor([0, 1, 2, 3]), everything, among[:0])) == {0, 2, 3}  # at least not the piece


def test_only_the_two_heads_of_the_circuit_matter_and_the_replaced_piece_is_copied():
    model, pair, repetition = induction_model(), (7, 9), Repetition(PROMPT, 1)
    moved = (*PROMPT[:4], 9, *PROMPT[5:])  # the other piece at a position that nothing points to
    heads = [(0, 0), (1, 0), (0, 1), (1, 1)]
    experiments = [
        Experiment(PROMPT), Experiment(repetition.replaced(9)), Experiment(moved),
        *(Experiment(PROMPT, (head,)) for head in heads),
    ]  # fmt: skip
    intact, replaced, elsewhere, first, second, *unused = answer_probabilities(model, experiments, pair).tolist()
    assert intact[0] > 0.95 and replaced[1] > 0.95
    assert elsewhere == pytest.approx(intact, abs=1e-4)
    assert first[0] < 0.3 and second[0] < 0.3
    for row in unused:
        assert row == pytest.approx(intact, abs=1e-6)


def test_without_a_head_of_the_circuit_the_copied_pieces_cost_more():
    model, once = induction_model(), torch.randperm(20)[:8]
    text = torch.cat([once, once])[None]
    inputs, targets = text[:, :-1], text[:, 1:]
    copied = copied_pieces(inputs, targets, TRAIN, 20).mask(inputs.shape)
    whole, first, unused = copying_losses_without(model, inputs, targets, copied, [(), [(0, 0)], [(0, 1)]])
    assert first.copied > whole.copied + 1
    assert unused == whole


def test_examples_are_those_that_depend_most_on_what_was_read():
    texts = [(3, 5, 7, 1, 2, 4, 6, 5, 7), (1, 2, 3, 4, 5, 6), (), (8,), (0, 11, 10, 1, 2, 3, 11, 10)]
    examples = copying_examples(induction_model(), texts, torch.randint(20, (400,)), count=2)
    assert {example.repetition for example in examples} == {
        Repetition(PROMPT, 1), Repetition((0, 11, 10, 1, 2, 3, 11), 1),
    }  # fmt: skip
    for example in examples:
        assert example.probability > 0.95 and example.replaced_probability < 0.01
    assert copying_examples(induction_model(), texts[1:4], TRAIN) == []


def test_bad_input_is_refused():
    model = induction_model()
    with pytest.raises(ValueError, match="token 99 is not in the vocabulary"):
        answer_probabilities(model, [Experiment(PROMPT)], (7, 99))
    with pytest.raises(ValueError, match="head 5 does not exist"):
        answer_probabilities(model, [Experiment(PROMPT, ((0, 5),))], (7, 9))
