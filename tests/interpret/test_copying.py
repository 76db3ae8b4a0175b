"""The copying score is the mean attention on what followed the last time, and one for a head that does nothing else."""

import pytest
import torch
from interpret_models import induction_model, randomised, rope_head
from model_configs import two_or_three_configs

from llm.interpret.copying import copying_scores, earlier_occurrences
from llm.interpret.recording import record


def test_the_latest_occurrence_counts_if_it_is_more_than_three_back():
    tokens = torch.tensor([[7, 1, 7, 2, 3, 4, 7, 5, 5, 1]])
    assert earlier_occurrences(tokens).tolist() == [[-1, -1, -1, -1, -1, -1, 2, -1, -1, 1]]


@two_or_three_configs
def test_scores_are_the_mean_over_repeated_tokens_taken_one_by_one(config):
    model = randomised(config)
    text = torch.randint(4, (3, 13))
    inputs, targets = text[:, :-1], text[:, 1:]
    recorded = record(model, inputs, ["pattern"])
    weights, evenly = [], []
    for row, tokens in enumerate(text.tolist()):
        for q in range(12):
            before = [p for p in range(q) if tokens[p] == tokens[q]]
            if before and q - before[-1] > 3 and tokens[q + 1] == tokens[before[-1] + 1]:
                weights.append(torch.stack([pattern[row, :, q, before[-1] + 1] for pattern in recorded.values()]))
                key = before[-1] + 1
                seen = [~block.attention.hidden(12, 12, inputs.device)[q] for block in model.blocks]  # each [key_pos]
                evenly += [float(visible[key] / visible.sum()) for visible in seen]
    result = copying_scores(model, inputs, targets, batch_size=2)
    assert result.positions == len(weights) > 0
    torch.testing.assert_close(result.copying, torch.stack(weights).mean(dim=0).float())
    assert result.uniform == pytest.approx(sum(evenly) / len(evenly))


def test_the_hand_built_head_scores_one_and_the_others_as_even_attention():
    once = torch.randperm(20)[:8]
    text = torch.cat([once, once])[None]
    result = copying_scores(induction_model(), text[:, :-1], text[:, 1:])
    assert float(result.copying[1, 0]) == pytest.approx(1, abs=0.01)
    assert result.copying[1, 1] == pytest.approx(result.uniform, abs=1e-6)


def test_a_head_that_looks_a_fixed_distance_back_scores_near_zero_where_repetitions_vary_in_distance():
    """With one distance, 5 to the token after, it would score 1: its weight lies on the right token by chance."""
    fixed = torch.arange(6).repeat(2)[None]
    result = copying_scores(rope_head(5, 4), fixed[:, :-1], fixed[:, 1:])
    assert (result.copying > 0.99).all()
    mixed = torch.tensor(
        [[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3], [0, 1, 5, 2, 3, 4, 6, 7, 0, 1, 2]]
    )
    result = copying_scores(rope_head(5, 4), mixed[:, :-1], mixed[:, 1:])
    assert result.positions == 8
    assert (result.copying < 0.01).all()


def test_only_the_chosen_positions_count():
    once = torch.randperm(8)[:7]
    text = torch.cat([once, once])[None]
    inputs, targets = text[:, :-1], text[:, 1:]
    only = torch.zeros_like(inputs, dtype=torch.bool)
    only[0, 10] = True
    model = induction_model()
    result = copying_scores(model, inputs, targets, only=only)
    assert (result.positions, copying_scores(model, inputs, targets).positions) == (1, 6)
    for layer, pattern in enumerate(record(model, inputs, ["pattern"]).values()):
        torch.testing.assert_close(result.copying[layer], pattern[0, :, 10, 4])  # the copy is 7 back, and 4 follows it
    with pytest.raises(ValueError, match="must have the same shape"):
        copying_scores(model, inputs, targets, only=only[:, 1:])


def test_a_text_without_repetition_scores_zero():
    text = torch.arange(10)[None]
    result = copying_scores(induction_model(), text[:, :-1], text[:, 1:])
    assert (result.positions, result.uniform, float(result.copying.max())) == (0, 0, 0)
    with pytest.raises(ValueError, match="must have the same shape"):
        copying_scores(induction_model(), text, text[:, 1:])
