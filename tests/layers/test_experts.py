"""A mixture of experts: which experts compute a token, how much they count, and what that costs."""

import dataclasses

import pytest
import torch
from model_configs import IMPLEMENTATIONS, SIZES
from torch.utils.flop_counter import FlopCounterMode

from components.views.code.equations import equations, titles
from llm.config import ModelConfig
from llm.costs import active_parameters, flops_per_token, parameter_count
from llm.interpret.max_activating_examples import max_activating_examples
from llm.layers.mlp.build import build_mlp
from llm.model import Transformer
from llm.trace.forward_pass import implementations, record_forward_pass
from llm.trace.layer_trace import trace_layer

BASE = ModelConfig(**(SIZES | {"n_experts": 7, "experts_per_token": 2}), activation="swiglu", bias=False)
every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def experts(implementation="fused", **changes):
    layer = build_mlp(dataclasses.replace(BASE, **changes), implementation).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.5)
    return layer.eval()


def by_hand(layer, x):
    """The sum over a token's experts, one token and one expert at a time."""
    output = torch.zeros_like(x)
    for token in range(len(x)):
        probabilities = (x[token] @ layer.router.W_router).softmax(dim=0)
        chosen = probabilities.argsort(descending=True)[: layer.router.experts_per_token]
        weights = probabilities[chosen] / (probabilities[chosen].sum() if layer.router.normalize else 1)
        for weight, expert in zip(weights, chosen, strict=True):
            gate = torch.nn.functional.silu(x[token] @ layer.W_gate[expert])
            output[token] += weight * (gate * (x[token] @ layer.W_in[expert])) @ layer.W_out[expert]
    return output


@every_implementation
@pytest.mark.parametrize("normalize", [True, False])
def test_each_token_is_the_weighted_sum_of_its_experts(implementation, normalize):
    layer, x = experts(implementation, normalize_expert_weights=normalize), torch.randn(3, 5, 24, dtype=torch.float64)
    torch.testing.assert_close(layer(x), by_hand(layer, x.flatten(0, 1)).view_as(x))


@every_implementation
def test_one_expert_for_every_token_is_an_mlp_and_shared_experts_add_theirs(implementation):
    layer, x = experts(implementation, n_experts=1, experts_per_token=1), torch.randn(2, 3, 24, dtype=torch.float64)
    dense = build_mlp(dataclasses.replace(BASE, n_experts=0), implementation).double()
    dense.load_state_dict({name: getattr(layer, name)[0] for name in ("W_in", "W_gate", "W_out")})
    torch.testing.assert_close(layer(x), dense(x))
    shared = experts(implementation, n_shared_experts=2)
    alone = shared.shared(x)
    assert shared.shared.W_in.shape == (24, 40)
    with torch.no_grad():
        shared.W_out.zero_()
    torch.testing.assert_close(shared(x), alone)


@every_implementation
def test_beyond_an_experts_capacity_tokens_are_dropped_in_training_alone(implementation):
    layer = experts(implementation, n_experts=2, experts_per_token=1, expert_capacity=0.5)
    with torch.no_grad():
        layer.router.W_router.copy_(torch.eye(24)[:, :2])
    x = torch.zeros(2, 4, 24, dtype=torch.float64)
    x[..., 0], x[..., 5] = 1, torch.arange(8).view(2, 4)  # all go to expert 0, of which two have room: 0.5 · 8 / 2
    everything = layer(x)
    assert (everything.abs().sum(dim=-1) > 0).all()
    layer.train()
    torch.testing.assert_close(layer(x)[0, :2], everything[0, :2])
    assert not layer(x)[0, 2:].any() and not layer(x)[1].any()
    layer.router.hook_expert_weights.register_forward_hook(lambda module, inputs, weights: torch.zeros_like(weights))
    assert not layer(x).any()


def counted_flops(config):
    model = Transformer(config, "fused")
    with FlopCounterMode(display=False) as counted:
        model(torch.zeros(2, config.n_ctx, dtype=torch.int64))
    return counted.get_total_flops() / (2 * config.n_ctx)


def test_flops_follow_the_chosen_experts_and_not_their_number():
    router = 2 * BASE.n_layers * BASE.d_model
    expert = 2 * 3 * BASE.n_layers * BASE.d_model * BASE.d_mlp
    few, many = (dataclasses.replace(BASE, n_experts=n_experts) for n_experts in (4, 64))
    more = dataclasses.replace(BASE, experts_per_token=5, n_shared_experts=1)
    assert counted_flops(many) - counted_flops(few) == 60 * router
    assert counted_flops(more) - counted_flops(BASE) == (3 + 1) * expert
    for config in (few, many, more):
        assert flops_per_token(config, config.n_ctx).mlp - flops_per_token(BASE, BASE.n_ctx).mlp == counted_flops(
            config
        ) - counted_flops(BASE)


def test_active_parameters_are_those_that_a_token_gives_a_gradient():
    for bias in (False, True):
        config = dataclasses.replace(BASE, bias=bias, positional="none", n_shared_experts=1)
        model = Transformer(config).double()
        model(torch.zeros(1, 1, dtype=torch.int64)).square().sum().backward()
        for block in model.blocks:
            assert sum(bool(expert.any()) for expert in block.mlp.W_in.grad) == 2
        used = {name: p.numel() for name, p in model.named_parameters()}
        unused = sum(size * 5 // 7 for name, size in used.items() if ".mlp." in name and "shared" not in name
                     and "router" not in name)  # fmt: skip
        assert active_parameters(config) == parameter_count(config).total - unused
    dense = dataclasses.replace(BASE, n_experts=0)
    assert active_parameters(dense) == parameter_count(dense).total


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"n_experts": -1}, "n_experts must be in 0 to 4,096, got -1"),
     ({"n_experts": 4, "experts_per_token": 5}, "experts_per_token must be in 1 to 4, the experts, got 5"),
     ({"experts_per_token": 0}, "experts_per_token must be in 1 to 7"),
     ({"n_shared_experts": -1}, "n_shared_experts must be"), ({"load_balance_loss": -0.1}, "load_balance_loss must be"),
     ({"router_z_loss": -1.0}, "router_z_loss must be"), ({"expert_capacity": 0.0}, "expert_capacity must be above 0")],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_field_and_value(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(BASE, **changes)


def test_the_code_page_explains_and_traces_router_and_experts():
    config = dataclasses.replace(BASE, n_shared_experts=1)
    models = implementations(Transformer(config))
    recorded = record_forward_pass(models["fused"], torch.randint(config.d_vocab, (1, 5)))
    for path, kind in (("blocks.0.mlp.router", "Router"), ("blocks.0.mlp", "MixtureOfExperts"),
                       ("blocks.0.mlp.shared", "GatedMLP")):  # fmt: skip
        assert titles()[kind]
        traces = [trace_layer(recorded, path, model) for model in models.values()]
        for trace in traces:
            torch.testing.assert_close(trace.outputs[0], traces[0].outputs[0])
            named = {variable.name for step in trace.steps for variable in step.variables}
            told = " ".join(equations(config)[kind]["lines"])
            assert all(f"{{{name}}}" in told or f"{{{name}|" in told for name in named & {"weights", "pre", "written"})


def test_neurons_of_experts_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="neurons cannot be shown with n_experts=7"):
        max_activating_examples(Transformer(BASE), 0, torch.zeros(9, dtype=torch.int64))
