"""How much of a head's attention goes where its label says, on one text."""

import pytest
import torch
from interpret_models import induction_model

from llm.interpret.attention_in_text import attention_in_text
from llm.interpret.head_scores import LABELS
from llm.interpret.recording import record


def test_each_label_counts_the_positions_that_it_names():
    tokens = torch.tensor([7, 1, 2, 3, 4, 7, 5])  # only position 5 repeats a token, that of position 0
    pattern = torch.rand(7, 7).tril()
    named = {
        "previous": [(q, q - 1) for q in range(1, 7)],
        "first": [(q, 0) for q in range(1, 7)],
        "duplicate": [(5, 0)],
        "induction": [(5, 1)],
        "copying": [(5, 1)],
    }
    assert named.keys() == LABELS.keys()
    for label, cells in named.items():
        found = attention_in_text(pattern, tokens, label)
        assert found.positions == len(cells)
        assert found.mean == pytest.approx(sum(float(pattern[cell]) for cell in cells) / len(cells))
        assert found.uniform == pytest.approx(sum(1 / (q + 1) for q, _ in cells) / len(cells))


def test_hand_built_heads_do_what_their_labels_say():
    tokens = torch.tensor([3, 1, 4, 15, 9, 2, 6, 3, 1, 4])
    first, second = record(induction_model(), tokens[None], ["pattern"]).values()
    assert attention_in_text(first[0, 0], tokens, "previous").mean > 0.99
    assert attention_in_text(second[0, 0], tokens, "copying").mean > 0.99
    assert attention_in_text(second[0, 0], tokens, "duplicate").mean < 0.01


def test_a_text_without_repetition_gives_nothing_to_look_up():
    assert attention_in_text(torch.eye(6), torch.arange(6), "copying").positions == 0
