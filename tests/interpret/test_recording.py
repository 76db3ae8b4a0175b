"""A record holds exactly what the model computed, and recording changes nothing."""

import copy

import pytest
import torch
from interpret_models import randomised
from model_configs import IMPLEMENTATIONS, SIZES, every_config, every_config_in_some_implementation

from llm import Transformer
from llm.config import ModelConfig
from llm.interpret.ablation import ablate
from llm.interpret.recording import activation_names, hookable_copy, record, records


@every_config_in_some_implementation
def test_a_record_holds_what_the_model_computes(config, implementation):
    model = randomised(config, implementation)
    tokens = torch.randint(config.d_vocab, (3, 9))
    recorded = record(model, tokens)
    assert set(recorded) == set(activation_names(model))
    torch.testing.assert_close(recorded["logits"], model(tokens), rtol=1e-10, atol=1e-10)
    for layer, block in enumerate(model.blocks):
        prefix = f"blocks.{layer}."
        pattern, scores, mixed = (recorded[f"{prefix}attention.{kind}"] for kind in ("pattern", "scores", "mixed"))
        assert pattern.shape == (3, config.n_heads, 9, 9)
        torch.testing.assert_close(pattern, scores.softmax(dim=-1))
        assert bool(pattern.triu(1).any()) != config.causal
        value = recorded[f"{prefix}attention.value"].repeat_interleave(config.n_heads // config.n_kv_heads, dim=1)
        torch.testing.assert_close(mixed, pattern @ value)
        written = recorded[f"{prefix}attention.head_output"].sum(dim=2)
        bias = 0 if block.attention.b_O is None else block.attention.b_O.detach()
        whole = block.norm_attention_out(written + bias).detach()
        torch.testing.assert_close(whole, recorded[f"{prefix}attention_out"])
        added = recorded[f"{prefix}resid_pre"] + recorded[f"{prefix}attention_out"]
        torch.testing.assert_close(
            recorded[f"{prefix}resid_mid"],
            recorded[f"{prefix}norm_attention"] if block.norm_mid else added,
        )


@every_config
def test_implementations_give_the_same_record(config):
    reference = randomised(config, "einops")
    tokens = torch.randint(config.d_vocab, (2, 7))
    expected = record(reference, tokens)
    for implementation in ("torch", "fused"):
        model = Transformer(config, implementation).double()
        model.load_state_dict(reference.state_dict())
        recorded = record(model, tokens)
        assert recorded.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(recorded[name], value, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("fails", [False, True])
def test_recording_leaves_no_trace_on_the_model(implementation, fails, monkeypatch):
    """Mode, hooks, parameters, gradients, classes and random numbers are as before, also after an error."""
    model = randomised(ModelConfig(**SIZES, positional="alibi", dropout=0.3), implementation).train()
    model.blocks[1].eval()  # mixed modes, which a careless restore would make equal
    tokens = torch.randint(31, (2, 8))
    model(tokens).sum().backward()

    def state():
        parameters = {name: (p.data_ptr(), p.requires_grad, p.grad.data_ptr()) for name, p in model.named_parameters()}
        modules = [(n, type(m), m.training, len(m._forward_hooks), id(m)) for n, m in model.named_modules()]
        return parameters, modules

    before, values = state(), copy.deepcopy(model.state_dict())
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    random = torch.get_rng_state()
    if fails:
        kind = type(model.unembed)
        monkeypatch.setattr(kind, "forward", lambda self, resid: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            record(model, tokens)
    else:
        record(model, tokens)
    assert state() == before
    assert torch.equal(torch.get_rng_state(), random)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, values[name])
        assert torch.equal(parameter.grad, gradients[name])


def test_dropout_is_off_in_a_record_of_a_training_model():
    model = randomised(ModelConfig(**SIZES, dropout=0.5)).train()
    tokens = torch.randint(31, (2, 8))
    logits = record(model, tokens, ["logits"])["logits"]
    torch.testing.assert_close(logits, model.eval()(tokens))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_changing_a_record_affects_neither_the_model_nor_other_entries(implementation):
    model = randomised(ModelConfig(**SIZES), implementation)
    tokens = torch.randint(31, (2, 8))
    recorded, logits = record(model, tokens), model(tokens)
    pristine = {name: tensor.clone() for name, tensor in recorded.items()}
    for name, tensor in recorded.items():
        assert torch.equal(tensor, pristine[name]), f"{name} shares memory with an earlier entry"
        tensor.fill_(7)
    assert torch.equal(model(tokens), logits)
    assert torch.equal(record(model, tokens)["blocks.0.attention.pattern"], pristine["blocks.0.attention.pattern"])


def test_a_hookable_copy_shares_every_parameter():
    model = randomised(ModelConfig(**SIZES, tie_embeddings=True, positional="alibi"))
    other = hookable_copy(model, materialize_pattern=True)
    assert all(mine is its for mine, its in zip(model.parameters(), other.parameters(), strict=True))
    assert all(mine is its for mine, its in zip(model.buffers(), other.buffers(), strict=True))
    assert type(model.blocks[0].attention).__name__ == "AttentionFused"


def test_only_requested_activations_are_recorded():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (2, 8))
    assert list(record(model, tokens, ["pattern", "blocks.1.mlp.hidden"])) == [
        "blocks.0.attention.pattern", "blocks.1.attention.pattern", "blocks.1.mlp.hidden",
    ]  # fmt: skip
    assert list(record(model, tokens, "logits")) == ["logits"]
    with pytest.raises(ValueError, match="no activation 'patern': use one of attention_out, embedding"):
        record(model, tokens, ["patern"])
    with pytest.raises(KeyError, match="'scores' was not recorded, only logits"):
        record(model, tokens, ["logits"])["scores"]


def test_concatenated_batches_equal_one_record():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (5, 8))
    pieces = [recorded["blocks.0.mlp.hidden"] for recorded in records(model, tokens, ["hidden"], batch_size=2)]
    assert [len(piece) for piece in pieces] == [2, 2, 1]
    torch.testing.assert_close(torch.cat(pieces), record(model, tokens)["blocks.0.mlp.hidden"])


def test_an_altered_model_is_recorded_as_altered():
    model = randomised(ModelConfig(**SIZES))
    tokens = torch.randint(31, (2, 8))
    with ablate(model, heads=[(1, 2)]) as altered:
        recorded = record(altered, tokens, ["pattern", "head_output"])
    assert not recorded["blocks.1.attention.head_output"][:, :, 2].any()
    assert recorded["blocks.1.attention.head_output"][:, :, 3].any()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.zeros(3, dtype=torch.long), r"got shape \[3\]"),
        (torch.zeros(1, 0, dtype=torch.long), r"got shape \[1, 0\]"),
        (torch.zeros(1, 3), "type torch.float32"),
        (torch.zeros(1, 17, dtype=torch.long), "17 tokens are too many.*n_ctx=16"),
        (torch.tensor([[1, 31]]), "token 31 is not in the vocabulary: ids go from 0 to 30"),
        (torch.tensor([[1, -2]]), "token -2 is not in the vocabulary"),
    ],
)
def test_invalid_tokens_are_rejected(tokens, message):
    with pytest.raises(ValueError, match=message):
        record(Transformer(ModelConfig(**SIZES)), tokens)
