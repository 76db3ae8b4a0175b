"""Head scores: 1 for a head built to do just that, and each query head with its own key/value head."""

import math

import pytest
import torch
from interpret_models import grouped_model, induction_model, randomised, rope_head
from model_configs import IMPLEMENTATIONS, SIZES, two_or_three_configs

from llm import Transformer
from llm.config import ModelConfig
from llm.interpret.head_scores import head_label, head_scores, induction_loss, pattern_scores, repeated_tokens
from llm.interpret.recording import record
from llm.loss import token_losses

TWICE = torch.stack([torch.randperm(20, generator=torch.Generator().manual_seed(i))[:8].repeat(2) for i in range(4)])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_heads_built_by_hand_score_one(implementation):
    """On tokens that do not repeat within a copy: an induction head would attend to both occurrences."""
    patterns = record(induction_model(implementation), TWICE, ["pattern"])
    first, second = (pattern_scores(pattern) for pattern in patterns.values())
    assert first.previous[0] > 0.99
    assert first.induction[0] < 0.2
    assert second.induction[0] > 0.99
    assert second.previous[0] < 0.2
    assert second.duplicate[0] < 0.2


def test_heads_built_by_hand_are_found_among_all():
    """With 20 tokens some of the random sequences repeat a token by chance, so induction falls short of 1."""
    scores = head_scores(induction_model(), torch.arange(20), length=8)
    assert scores.previous.shape == (2, 2)
    assert scores.previous[0, 0] > 0.99
    assert scores.induction[1, 0] > 0.7
    assert scores.induction[1, 0] == scores.induction.max()


def test_an_induction_head_lowers_the_loss_of_the_second_copy():
    loss = induction_loss(induction_model(), torch.arange(20), length=8)
    assert loss.second < loss.first - 1
    assert len(loss.by_position) == 15


def test_induction_loss_counts_every_token_of_the_second_copy():
    model = randomised(ModelConfig(**SIZES))
    tokens, length = repeated_tokens(model, torch.arange(31), length=6, sequences=9)
    losses = token_losses(record(model, tokens)["logits"][:, :-1], tokens[:, 1:])
    loss = induction_loss(model, torch.arange(31), length=6, sequences=9)
    assert loss.second == pytest.approx(losses[:, length - 1 :].mean().item())
    assert loss.first == pytest.approx(losses[:, : length - 1].mean().item())


@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
def test_a_rotary_head_scores_at_the_distance_of_its_rotation(n_kv_heads):
    token_ids = torch.arange(5)
    assert (head_scores(rope_head(1, n_kv_heads), token_ids, length=6).previous > 0.99).all()
    assert (head_scores(rope_head(6, n_kv_heads), token_ids, length=6).duplicate > 0.99).all()
    assert (head_scores(rope_head(5, n_kv_heads), token_ids, length=6).induction > 0.99).all()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_each_query_head_reads_its_groups_key_head(implementation):
    model = Transformer(grouped_model().config, implementation)
    model.load_state_dict(grouped_model().state_dict())
    scores = head_scores(model, torch.arange(5), length=6)
    assert scores.previous.shape == (1, 4)
    assert (scores.previous[0, :2] > 0.99).all()
    assert (scores.first[0, 2:] > 0.99).all()
    assert (scores.previous[0, 2:] < 0.2).all()
    assert (scores.first[0, :2] < 0.2).all()


def test_scores_match_their_definitions():
    pattern = torch.rand(3, 2, 8, 8).tril()
    pattern = pattern / pattern.sum(dim=-1, keepdim=True)
    scores = pattern_scores(pattern)

    def mean(first_query, key):
        return torch.stack([pattern[:, :, q, key(q)] for q in range(first_query, 8)]).mean(dim=(0, 1))

    torch.testing.assert_close(scores.previous, mean(1, lambda q: q - 1))
    torch.testing.assert_close(scores.duplicate, mean(4, lambda q: q - 4))
    torch.testing.assert_close(scores.induction, mean(4, lambda q: q - 3))
    torch.testing.assert_close(scores.first, mean(1, lambda q: 0))
    logs = torch.where(pattern > 0, pattern.log(), 0)
    torch.testing.assert_close(scores.entropy, -(pattern * logs).sum(dim=-1).mean(dim=(0, 2)))
    even = torch.ones(1, 1, 8, 8).tril()
    even = pattern_scores(even / even.sum(dim=-1, keepdim=True))
    assert even.entropy.item() == pytest.approx(even.entropy_maximum)
    assert even.entropy_maximum == pytest.approx(sum(math.log(q + 1) for q in range(8)) / 8)


@two_or_three_configs
def test_head_scores_equal_the_scores_of_recorded_patterns(config):
    model = randomised(config)
    scores = head_scores(model, torch.tensor([3, 4, 9, 9, 30]), sequences=6, seed=3)
    tokens, _ = repeated_tokens(model, torch.tensor([3, 4, 9, 9, 30]), sequences=6, seed=3)
    for layer, pattern in enumerate(record(model, tokens, ["pattern"]).values()):
        expected = pattern_scores(pattern)
        for name in ("previous", "duplicate", "induction", "first", "entropy"):
            torch.testing.assert_close(getattr(scores, name)[layer], getattr(expected, name), check_dtype=False)
    assert scores.entropy_maximum == expected.entropy_maximum


def test_random_tokens_are_drawn_from_the_given_ids_and_appear_twice():
    model = randomised(ModelConfig(**SIZES))
    tokens, length = repeated_tokens(model, torch.tensor([7, 7, 9, 30]), sequences=40, seed=1)
    assert length == 8
    assert tokens.shape == (40, 16)
    assert torch.equal(tokens[:, :8], tokens[:, 8:])
    assert set(tokens.flatten().tolist()) == {7, 9, 30}
    assert torch.equal(tokens, repeated_tokens(model, torch.tensor([30, 9, 7]), sequences=40, seed=1)[0])
    assert not torch.equal(tokens, repeated_tokens(model, torch.tensor([30, 9, 7]), sequences=40, seed=2)[0])
    state = torch.get_rng_state()
    repeated_tokens(model, torch.tensor([30, 9, 7]))
    assert torch.equal(state, torch.get_rng_state())


def test_a_perfect_induction_head_scores_one_where_there_are_enough_ids():
    """It attends to what followed the earlier occurrences of its query's token, to all of them alike."""
    model = randomised(ModelConfig(**SIZES))
    tokens, _ = repeated_tokens(model, torch.arange(9), sequences=40)  # eight of nine ids
    assert set(tokens.flatten().tolist()) == set(range(9))
    earlier = (tokens[:, :, None] == tokens[:, None, :]).tril(-1).float()  # [batch, query_pos, key_pos]
    after = earlier.roll(1, dims=-1)  # the token after each of these keys
    pattern = after / after.sum(dim=-1, keepdim=True).clamp(min=1)
    assert pattern_scores(pattern[:, None]).induction.item() == 1


def test_invalid_sequences_are_rejected():
    model = randomised(ModelConfig(**SIZES))
    with pytest.raises(ValueError, match="token_ids must not be empty"):
        head_scores(model, torch.tensor([], dtype=torch.long))
    with pytest.raises(ValueError, match=r"length must be 2 to 8.*n_ctx=16, got 9"):
        head_scores(model, torch.arange(5), length=9)
    with pytest.raises(ValueError, match="sequences must be 1 or more, got 0"):
        head_scores(model, torch.arange(5), sequences=0)
    for shape in ((1, 1, 7, 7), (1, 1, 2, 2), (1, 1, 8, 6)):
        with pytest.raises(ValueError, match="pattern must be square with an even number of positions, 4 or more"):
            pattern_scores(torch.ones(shape))


def test_a_head_is_named_only_after_a_high_score():
    assert head_label(0.94, 0.01, 0.02, 0.03) == ("previous", 0.94)
    assert head_label(0.1, 0.2, 0.7, 0.0) == ("induction", 0.7)
    assert head_label(0.5, 0.1, 0.1, 0.2) is None
