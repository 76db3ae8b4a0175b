"""The three implementations are one model, and the model is causal."""

import itertools

import pytest
import torch
from model_configs import (
    IMPLEMENTATIONS,
    PRESETS,
    SIZES,
    component_configs,
    config_name,
    every_causal_config,
    every_config,
)

from llm import Transformer, preset
from llm.config import ModelConfig
from llm.layers.cache import KeyValueCache
from llm.presets import ARCHITECTURES


def randomised(config: ModelConfig, implementation: str = "fused") -> Transformer:
    """A model in which no parameter is at a special value such as 0 or 1, so that each one matters."""
    model = Transformer(config, implementation).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def outputs_and_gradients(model: Transformer, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    logits = model(tokens)
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    loss.backward()
    return {"logits": logits.detach()} | {name: p.grad for name, p in model.named_parameters()}


@every_config
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["f64", "f32"])
def test_implementations_agree_in_outputs_and_gradients(config, dtype, tolerance):
    reference = randomised(config, "einops").to(dtype)
    tokens = torch.randint(config.d_vocab, (3, 11))
    expected = outputs_and_gradients(reference, tokens)
    for implementation in ("torch", "fused"):
        model = Transformer(config, implementation).eval().to(dtype)
        model.load_state_dict(reference.state_dict(), strict=True)
        found = outputs_and_gradients(model, tokens)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            scale = max(1.0, value.abs().max().item())
            assert (found[name] - value).abs().max().item() <= tolerance * scale, f"{implementation}: {name}"


@every_causal_config
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_future_tokens_change_nothing_before_them(config, implementation):
    model = randomised(config, implementation).double()
    tokens = torch.randint(config.d_vocab, (2, 12))
    changed = tokens.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % config.d_vocab
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :7], after[:, :7], rtol=0, atol=1e-12)
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@every_causal_config
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_cached_positions_give_the_same_logits(config, implementation):
    model = randomised(config, implementation).double()
    tokens = torch.randint(config.d_vocab, (2, 14))
    cache = KeyValueCache(config)
    with torch.no_grad():
        pieces = [model(tokens[:, start:end], cache) for start, end in itertools.pairwise((0, 5, 9, 10, 11, 14))]
        torch.testing.assert_close(torch.cat(pieces, dim=1), model(tokens), rtol=0, atol=1e-12)
    assert cache.length == 14


def test_order_matters_exactly_where_positions_are_told():
    """Without positions the last token sees a set; with any scheme, or a second layer, it sees a sequence."""
    tokens = torch.tensor([[1, 2, 3, 4, 5]])
    swapped = torch.tensor([[2, 1, 3, 4, 5]])
    for positional in ("learned", "sinusoidal", "rope", "alibi", "none"):
        model = randomised(ModelConfig(**{**SIZES, "n_layers": 1}, positional=positional)).double()
        same = torch.allclose(model(tokens)[:, -1], model(swapped)[:, -1], atol=1e-12)
        assert same == (positional == "none")


@pytest.mark.parametrize("config", PRESETS, ids=config_name)
def test_each_preset_overfits_one_batch(config):
    model = Transformer(config)
    tokens = torch.randint(config.d_vocab, (2, 12))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

    def loss_after_a_step() -> float:
        loss = torch.nn.functional.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    assert any(loss_after_a_step() < 0.05 for _ in range(150))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_untrained_model_knows_nothing(architecture):
    """Nor do the other implementations of a preset, which give the same logits."""
    config = preset(architecture, d_vocab=65)
    tokens = torch.randint(65, (4, 64))
    model = Transformer(config)
    logits = model(tokens)
    for implementation in ("einops", "torch"):
        other = Transformer(config, implementation)
        other.load_state_dict(model.state_dict())
        torch.testing.assert_close(other(tokens), logits, rtol=0, atol=1e-5)
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert abs(loss.item() - torch.tensor(65.0).log().item()) < 0.15


NORMS = {  # x after a sublayer, from x, the sublayer, and norms of what it reads, of what it writes, and of the sum
    "pre": lambda x, sublayer, read, write, total: x + sublayer(read(x)),
    "post": lambda x, sublayer, read, write, total: total(x + sublayer(x)),
    "post_sublayer": lambda x, sublayer, read, write, total: x + write(sublayer(x)),
    "sandwich": lambda x, sublayer, read, write, total: x + write(sublayer(read(x))),
}


@pytest.mark.parametrize("norm_position", NORMS)
def test_norms_and_parallel_sublayers_are_where_the_papers_put_them(norm_position):
    added, x = NORMS[norm_position], torch.randn(2, 7, SIZES["d_model"])
    for sublayers in ("sequential", "parallel", "parallel_one_norm"):
        config = ModelConfig(**SIZES, norm_position=norm_position, sublayers=sublayers, norm="rmsnorm")
        block = randomised(config).blocks[0]
        end = (lambda y: y) if sublayers != "sequential" else block.norm_attention
        attended = added(x, block.attention, block.norm_attention, block.norm_attention_out, end)
        read = block.norm_attention if sublayers == "parallel_one_norm" else block.norm_mlp
        if sublayers == "sequential":
            expected = added(attended, block.mlp, read, block.norm_mlp_out, block.norm_mlp)
        else:
            both = attended + added(x, block.mlp, read, block.norm_mlp_out, lambda y: y) - x
            expected = block.norm_mlp(both) if norm_position == "post" else both
        torch.testing.assert_close(block(x), expected, msg=sublayers)


def test_embeddings_are_enlarged_and_logits_stay_within_the_cap():
    changed = {"scale_embeddings": True, "final_softcap": 2.0}
    plain = randomised(ModelConfig(**SIZES, positional="none"))
    other = Transformer(ModelConfig(**SIZES, positional="none", **changed)).eval()
    other.load_state_dict(plain.state_dict())
    tokens, resid = torch.randint(31, (2, 5)), 9 * torch.randn(2, 5, 24)
    torch.testing.assert_close(other.embed(tokens), plain.embed(tokens) * 24**0.5)
    torch.testing.assert_close(other.unembed(resid), 2 * torch.tanh(plain.unembed(resid) / 2))


def test_tied_embeddings_are_one_parameter():
    model = Transformer(ModelConfig(**SIZES, tie_embeddings=True))
    assert model.unembed.W_E is model.embed.W_E
    assert [name for name, _ in model.named_parameters() if "W_E" in name or "W_U" in name] == ["embed.W_E"]


def test_hooks_replace_what_they_see():
    """A pattern that looks only at the own position makes every position independent of the others."""
    model = randomised(ModelConfig(**SIZES), "einops").double()
    for block in model.blocks:
        block.attention.hook_pattern.register_forward_hook(
            lambda module, inputs, pattern: torch.eye(pattern.shape[-1], dtype=pattern.dtype).expand_as(pattern)
        )
    tokens = torch.tensor([[1, 2, 3], [4, 5, 3]])
    logits = model(tokens)
    torch.testing.assert_close(logits[0, 2], logits[1, 2])
    assert not torch.allclose(logits[0, 1], logits[1, 1])


def test_fused_dropout_acts_only_in_training():
    model = Transformer(ModelConfig(**SIZES, dropout=0.5))
    tokens = torch.randint(31, (2, 10))
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))


def test_too_many_tokens_are_refused_with_both_numbers():
    model = Transformer(ModelConfig(**SIZES))
    with pytest.raises(ValueError, match=r"17 tokens are too many.*n_ctx=16"):
        model(torch.zeros(1, 17, dtype=torch.long))


def test_an_unknown_implementation_is_refused():
    with pytest.raises(ValueError, match="implementation must be one of einops, torch, fused, got 'fast'"):
        Transformer(ModelConfig(**SIZES), "fast")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_every_component_computes_under_autocast_to_bfloat16(implementation):
    """Close to float32's result, and with gradients for all, whatever precision each part hands to the next.

    Every token goes to every expert: between two of nearly the same score, rounding could choose another.
    """
    for config in component_configs(experts_per_token=7):
        model = Transformer(config, implementation)
        tokens = torch.randint(config.d_vocab, (2, 8))
        exact = model(tokens)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(tokens)
        assert (rough.float() - exact).abs().max() < 0.05 * exact.abs().max() + 0.01, config
        rough.float().square().mean().backward()
        assert all(parameter.grad is not None for parameter in model.parameters()), config
