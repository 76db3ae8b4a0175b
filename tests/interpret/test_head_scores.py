"""Head scores: 1 for a head built to do just that, and each query head with its own key/value head."""

import math

import pytest
import torch
from interpret_models import grouped_model, induction_model, randomised, rope_head
from model_configs import IMPLEMENTATIONS, SIZES, two_or_three_configs

from llm import Transformer
from llm.config import ModelConfig
from llm.interpret.head_scores import (
    LABELS,
    head_label,
    head_scores,
    induction_loss,
    pattern_scores,
    repeated_tokens,
)
from llm.interpret.recording import record
from llm.loss import token_losses

TWICE = torch.stack([torch.randperm(20, generator=torch.Generator().manual_seed(i))[:8].repeat(2) for i in range(4)])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_heads_built_by_hand_score_one(implementation):
    patterns = record(induction_model(implementation), TWICE, ["pattern"])
    first, second = (pattern_scores(pattern, [8] * 4) for pattern in patterns.values())
    assert first.previous[0] > 0.99
    assert first.induction[0] < 0.2
    assert second.induction[0] > 0.99
    assert second.previous[0] < 0.2
    assert second.duplicate[0] < 0.2


@pytest.mark.parametrize("ids", [20, 8, 5])
def test_heads_built_by_hand_score_one_among_all_however_few_ids_there_are(ids):
    scores = head_scores(induction_model(), torch.arange(ids))
    assert scores.previous.shape == (2, 2)
    assert scores.previous[0, 0] > 0.99
    assert scores.induction[1, 0] > 0.99
    assert scores.induction[1, 0] == scores.induction.max()


def test_a_head_that_attends_evenly_scores_as_the_control():
    """The other heads of the hand-built model have zero weights."""
    scores = head_scores(induction_model(), torch.arange(20))
    for name, score in scores.uniform.items():
        assert getattr(scores, name)[0, 1] == pytest.approx(score, abs=1e-5)


def test_an_induction_head_lowers_the_loss_of_the_second_copy():
    loss = induction_loss(induction_model(), torch.arange(20))
    assert loss.second < loss.first - 1


def test_induction_loss_counts_every_token_of_the_second_copy():
    model = randomised(ModelConfig(**SIZES))
    tokens, lengths = repeated_tokens(model, torch.arange(31), sequences=9)
    losses = token_losses(record(model, tokens)["logits"][:, :-1], tokens[:, 1:]).tolist()
    loss = induction_loss(model, torch.arange(31), sequences=9)
    second = [losses[row][i - 1] for row, length in enumerate(lengths) for i in range(length, 2 * length)]
    first = [losses[row][i - 1] for row, length in enumerate(lengths) for i in range(1, length)]
    assert loss.second == pytest.approx(sum(second) / len(second))
    assert loss.first == pytest.approx(sum(first) / len(first))


@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
def test_a_head_that_looks_a_fixed_distance_back_has_that_score_only_if_the_distance_is_always_right(n_kv_heads):
    """Copies are 4 to 8 tokens long, so that no distance finds the earlier one in more than a quarter of them."""
    token_ids = torch.arange(8)
    assert (head_scores(rope_head(1, n_kv_heads), token_ids).previous > 0.99).all()
    for distance in range(4, 9):
        assert (head_scores(rope_head(distance, n_kv_heads), token_ids).duplicate < 0.4).all()
        assert (head_scores(rope_head(distance - 1, n_kv_heads), token_ids).induction < 0.4).all()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_each_query_head_reads_its_groups_key_head(implementation):
    model = Transformer(grouped_model().config, implementation)
    model.load_state_dict(grouped_model().state_dict())
    scores = head_scores(model, torch.arange(5))
    assert scores.previous.shape == (1, 4)
    assert (scores.previous[0, :2] > 0.99).all()
    assert (scores.first[0, 2:] > 0.99).all()
    assert (scores.previous[0, 2:] < 0.2).all()
    assert (scores.first[0, :2] < 0.2).all()


def test_scores_match_their_definitions():
    pattern = torch.rand(3, 2, 8, 8).tril()
    pattern = pattern / pattern.sum(dim=-1, keepdim=True)
    scores = pattern_scores(pattern, [4, 3, 4])

    def mean(first, key):
        """Mean over sequences of the mean over q from `first` on; `first` and `key` are given L."""
        return torch.stack([
            torch.stack([of_one[:, q, key(q, L)] for q in range(first(L), 2 * L)]).mean(dim=0)
            for of_one, L in zip(pattern, [4, 3, 4], strict=True)
        ]).mean(dim=0)  # fmt: skip

    torch.testing.assert_close(scores.previous, mean(lambda L: 1, lambda q, L: q - 1))
    torch.testing.assert_close(scores.duplicate, mean(lambda L: L, lambda q, L: q - L))
    torch.testing.assert_close(scores.induction, mean(lambda L: L, lambda q, L: q - L + 1))
    torch.testing.assert_close(scores.first, mean(lambda L: 1, lambda q, L: 0))
    entropies = [-(of_one * of_one.clamp(min=1e-30).log()).sum(dim=-1) for of_one in pattern]  # each [head, query_pos]
    expected = [entropy[:, : 2 * L].mean(dim=1) for entropy, L in zip(entropies, [4, 3, 4], strict=True)]
    torch.testing.assert_close(scores.entropy, torch.stack(expected).mean(dim=0))
    assert scores.uniform["first"] == pytest.approx(
        sum(sum(1 / (q + 1) for q in range(1, 2 * L)) / (2 * L - 1) for L in [4, 3, 4]) / 3
    )
    assert scores.uniform["entropy"] == pytest.approx(
        sum(sum(math.log(q + 1) for q in range(2 * L)) / (2 * L) for L in [4, 3, 4]) / 3
    )


@two_or_three_configs
def test_head_scores_equal_the_scores_of_recorded_patterns(config):
    model = randomised(config)
    scores = head_scores(model, torch.tensor([3, 4, 9, 9, 30]), sequences=6, seed=3)
    tokens, lengths = repeated_tokens(model, torch.tensor([3, 4, 9, 9, 30]), sequences=6, seed=3)
    uniform = []
    for layer, pattern in enumerate(record(model, tokens, ["pattern"]).values()):
        hidden = model.blocks[layer].attention.hidden(tokens.shape[1], tokens.shape[1], tokens.device)
        expected = pattern_scores(pattern, lengths, hidden)
        uniform.append(expected.uniform)
        for name in ("previous", "duplicate", "induction", "first", "entropy"):
            torch.testing.assert_close(getattr(scores, name)[layer], getattr(expected, name), check_dtype=False)
    mean = {name: sum(each[name] for each in uniform) / len(uniform) for name in uniform[0]}
    assert scores.uniform == pytest.approx(mean)


def test_random_tokens_are_drawn_from_the_given_ids_and_appear_twice():
    model = randomised(ModelConfig(**SIZES))
    ids = torch.tensor([7, 7, 9, 30, 2, 4])
    tokens, lengths = repeated_tokens(model, ids, sequences=40, seed=1)
    assert set(lengths) == {2, 3, 4, 5}  # five different ids; half of n_ctx would be eight
    assert tokens.shape == (40, 10)
    for row, length in zip(tokens, lengths, strict=True):
        assert torch.equal(row[:length], row[length : 2 * length])
        assert len(set(row[:length].tolist())) == length
    assert set(tokens.flatten().tolist()) == {7, 9, 30, 2, 4}
    assert torch.equal(tokens, repeated_tokens(model, ids.flip(0), sequences=40, seed=1)[0])
    assert not torch.equal(tokens, repeated_tokens(model, ids, sequences=40, seed=2)[0])
    state = torch.get_rng_state()
    repeated_tokens(model, ids)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("ids", [3, 5, 31])
def test_a_perfect_induction_head_scores_one_however_few_ids_there_are(ids):
    """It attends to what followed the earlier occurrences of its query's token, to all of them alike."""
    tokens, lengths = repeated_tokens(randomised(ModelConfig(**SIZES)), torch.arange(ids), sequences=40)
    earlier = (tokens[:, :, None] == tokens[:, None, :]).tril(-1).float()  # [batch, query_pos, key_pos]
    after = earlier.roll(1, dims=-1)  # the token after each of these keys
    pattern = after / after.sum(dim=-1, keepdim=True).clamp(min=1)
    assert pattern_scores(pattern[:, None], lengths).induction.item() == pytest.approx(1)


def test_invalid_sequences_are_rejected():
    model = randomised(ModelConfig(**SIZES))
    with pytest.raises(ValueError, match="token_ids must not be empty"):
        head_scores(model, torch.tensor([], dtype=torch.long))
    with pytest.raises(ValueError, match=r"n_ctx must be 4 or more.* got 3"):
        head_scores(randomised(ModelConfig(**SIZES | {"n_ctx": 3})), torch.arange(5))
    with pytest.raises(ValueError, match="sequences must be 1 or more, got 0"):
        head_scores(model, torch.arange(5), sequences=0)
    for shape, lengths in (((1, 1, 7, 7), [4]), ((1, 1, 8, 6), [4]), ((1, 1, 8, 8), [1]), ((2, 1, 8, 8), [4])):
        with pytest.raises(ValueError, match=r"lengths must be a number for each of . sequences, 2 or more"):
            pattern_scores(torch.ones(shape), lengths)


def test_a_head_is_named_only_after_a_high_score():
    low = dict.fromkeys(LABELS, 0.1)
    assert head_label(low | {"previous": 0.94}) == ("previous", 0.94)
    assert head_label(low | {"induction": 0.7, "copying": 0.6}) == ("induction", 0.7)
    assert head_label(low | {"copying": 0.8}) == ("copying", 0.8)
    assert head_label(low | {"previous": 0.5}) is None
