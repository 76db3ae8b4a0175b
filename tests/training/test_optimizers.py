import copy

import pytest
import torch

from llm.config import TrainingConfig
from llm.model import Transformer
from llm.presets import ARCHITECTURES, SIZES, preset
from llm.training.optimizers import REGISTRY
from llm.training.optimizers.adamw import AdamW, adamw_step
from llm.training.optimizers.build import build_optimizers, parameter_groups, set_learning_rate
from llm.training.optimizers.muon import Muon, muon_step, orthogonalized
from llm.training.trainer_state import _check_optimizer


def tiny(architecture: str = "llama", **overrides) -> Transformer:
    torch.manual_seed(0)
    sizes = {"d_vocab": 11, "d_model": 16, "n_layers": 2, "n_heads": 2, "n_ctx": 8}
    return Transformer(preset(architecture, **(sizes | overrides)))


@pytest.mark.parametrize("kind", REGISTRY)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_is_stepped_once_and_only_matrices_decay(architecture, kind):
    model = tiny(architecture)
    names = {parameter.data_ptr(): name for name, parameter in model.named_parameters()}
    groups = [group for optimizer in build_optimizers(model, TrainingConfig(optimizer=kind))
              for group in optimizer.param_groups]  # fmt: skip
    stepped = [names[parameter.data_ptr()] for group in groups for parameter in group["params"]]
    assert sorted(stepped) == sorted(names.values())
    decayed = {names[p.data_ptr()] for group in groups if group["weight_decay"] > 0 for p in group["params"]}
    assert decayed == {name for name in names.values() if ".W_" in name and not name.startswith(("embed", "positions"))}


def test_muon_takes_the_blocks_matrices_and_adamw_the_rest():
    muon, adamw = build_optimizers(tiny(), TrainingConfig(optimizer="muon"))
    assert isinstance(muon, Muon) and isinstance(adamw, AdamW)
    assert len(muon.param_groups[0]["params"]) == 2 * 7  # W_Q W_K W_V W_O W_in W_gate W_out in each of two blocks


def test_learning_rate_scales_each_groups_own_peak():
    optimizers = build_optimizers(tiny(), TrainingConfig(optimizer="muon", learning_rate=0.1, muon_learning_rate=0.4))
    set_learning_rate(optimizers, 0.5)
    assert optimizers[0].param_groups[0]["lr"] == pytest.approx(0.2)
    assert {group["lr"] for group in optimizers[1].param_groups} == {0.05}


@pytest.mark.parametrize("kind, rates", [("adamw", [0.003, 0.00071, 0.00025]), ("muon", [0.01, 0.01, 0.01])])
def test_a_learning_rate_that_is_not_given_suits_the_optimizer_and_the_size(kind, rates):
    models = [preset("llama", size, d_vocab=11) for size in SIZES]
    assert [TrainingConfig(optimizer=kind).for_model(model).learning_rate for model in models] == rates
    given = TrainingConfig(optimizer=kind, learning_rate=0.01)
    assert all(given.for_model(model) is given for model in models)
    model = tiny()
    rates_of_groups = {
        group["peak"] for group in build_optimizers(model, TrainingConfig(optimizer=kind))[-1].param_groups
    }
    assert rates_of_groups == {TrainingConfig(optimizer=kind).for_model(model.config).learning_rate}


@pytest.mark.parametrize("rows, columns", [(6, 6), (4, 9), (9, 4)])
def test_an_orthogonalized_matrix_keeps_its_directions_and_evens_their_lengths(rows, columns):
    torch.manual_seed(0)
    matrices = torch.randn(3, rows, columns, dtype=torch.float64)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    turned = left.mT @ orthogonalized(matrices) @ right.mT  # diagonal: the new singular values
    lengths = turned.diagonal(dim1=-2, dim2=-1)
    assert ((lengths > 0.3) & (lengths < 1.3)).all() and lengths.mean() == pytest.approx(0.95, abs=0.1)
    torch.testing.assert_close(turned, torch.diag_embed(lengths), rtol=0, atol=1e-12)


def test_the_stated_range_of_singular_values_is_exact():
    values = torch.logspace(-6, 0, 400_000, dtype=torch.float64)  # of a diagonal matrix of two, with a norm of 1
    matrices = torch.diag_embed(torch.stack((values, (1 - values**2).sqrt()), dim=-1))
    results = orthogonalized(matrices).diagonal(dim1=-2, dim2=-1)[:, 0]
    large = values >= 0.0015
    assert 0.679 < results[large].min() < 0.68 and 1.202 < results[large].max() < 1.203
    assert (results[~large] <= 485 * values[~large]).all()


def test_a_gradient_of_zeros_moves_nothing():
    assert orthogonalized(torch.zeros(2, 3, 4)).eq(0).all()


def test_muon_on_three_axes_equals_torchs_muon_on_the_flattened_matrix():
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(2, 4, 6)) for _ in range(3)] + [torch.nn.Parameter(torch.randn(3, 9))]
    matrices = [torch.nn.Parameter(one.detach().clone().flatten(0, -2)) for one in parameters]
    ours = Muon(parameters, [True] * len(parameters), [False] * len(parameters), peak=0.01, weight_decay=0.1)
    theirs = torch.optim.Muon(matrices, lr=0.01, weight_decay=0.1)
    for _ in range(3):
        before = [one.detach().clone() for one in matrices]
        for parameter, matrix in zip(parameters, matrices, strict=True):
            target = torch.randn_like(parameter)
            for part in range(2):  # gradients accumulate over two passes
                ((parameter - target) ** 2).sum().mul(1 + part).backward()
                ((matrix - target.flatten(0, -2)) ** 2).sum().mul(1 + part).backward()
        ours.step()
        theirs.step()
        ours.zero_grad()
        theirs.zero_grad()
        for parameter, matrix, old in zip(parameters, matrices, before, strict=True):
            assert not parameter.grad.any()
            moved, wanted = parameter.detach().flatten(0, -2) - old, matrix.detach() - old
            assert (moved - wanted).norm() < 0.04 * wanted.norm()  # torch's computes in bfloat16
            with torch.no_grad():
                parameter.copy_(matrix.view_as(parameter))


def test_muon_on_a_matrix_stored_input_first_equals_torchs_muon_on_its_transpose():
    """Torch stores [output, input], and its scale is √max(1, output / input)."""
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in [(4, 16), (16, 4), (2, 3, 24)]]
    transposed = [torch.nn.Parameter(parameter.detach().flatten(0, -2).T.clone()) for parameter in parameters]
    ours = Muon(parameters, [False] * len(parameters), [False] * len(parameters), peak=0.01, weight_decay=0.1)
    theirs = torch.optim.Muon(transposed, lr=0.01, weight_decay=0.1)
    before = [matrix.detach().clone() for matrix in transposed]
    for parameter, matrix in zip(parameters, transposed, strict=True):
        parameter.grad = torch.randn_like(parameter)
        matrix.grad = parameter.grad.flatten(0, -2).T.clone()
    ours.step()
    theirs.step()
    for parameter, matrix, old in zip(parameters, transposed, before, strict=True):
        ours_moved, theirs_moved = parameter.detach().flatten(0, -2).T - old, matrix.detach() - old
        assert (ours_moved - theirs_moved).norm() < 0.04 * theirs_moved.norm()  # torch's computes in bfloat16


def test_the_input_axis_of_every_matrix_has_the_size_of_its_input():
    model = tiny("llama", d_head=4, d_mlp=40, n_kv_heads=1)
    groups = parameter_groups(model)
    names = {parameter: name.split(".")[-1] for name, parameter in model.named_parameters()}
    for matrix, output_first in zip(groups.hidden_matrices, groups.output_first, strict=True):
        inputs = {"W_O": 2 * 4, "W_out": 40}.get(names[matrix], 16)  # else d_model
        assert matrix.flatten(0, -2).shape[1 if output_first else 0] == inputs, names[matrix]


@pytest.mark.parametrize("output_first", [True, False])
def test_readable_muon_equals_the_one_that_trains(output_first, monkeypatch):
    monkeypatch.setattr("llm.training.optimizers.muon.has_bfloat16", lambda device: False)
    parameters = [torch.nn.Parameter(torch.randn(5, 12)) for _ in range(2)]
    weights = [parameter.detach().clone() for parameter in parameters]
    means = [torch.zeros(5, 12) for _ in range(2)]
    optimizer = Muon(parameters, [output_first] * 2, [False] * 2, peak=0.1, weight_decay=0.1)
    for _ in range(3):
        for parameter, weight, mean in zip(parameters, weights, means, strict=True):
            parameter.grad = torch.randn(5, 12)
            muon_step(weight, parameter.grad, mean, learning_rate=0.1, weight_decay=0.1, output_first=output_first)
        optimizer.step()
        for parameter, weight in zip(parameters, weights, strict=True):
            torch.testing.assert_close(weight, parameter.detach())


@pytest.mark.parametrize("kind", REGISTRY)
def test_optimizer_state_survives_a_round_trip(kind, tmp_path):
    config = TrainingConfig(optimizer=kind)
    tokens = torch.randint(11, (2, 8))

    def step(model, optimizers):
        for optimizer in optimizers:
            optimizer.zero_grad()
        model(tokens).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()

    first = tiny()
    optimizers = build_optimizers(first, config)
    step(first, optimizers)
    torch.save([optimizer.state_dict() for optimizer in optimizers], tmp_path / "state.pt")
    second = tiny()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    again = build_optimizers(second, config)
    for optimizer, state in zip(again, torch.load(tmp_path / "state.pt", weights_only=True), strict=True):
        optimizer.load_state_dict(state)
    step(first, optimizers)
    step(second, again)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_adamw_equals_torchs_and_the_readable_step():
    torch.manual_seed(0)
    config = TrainingConfig(optimizer="adamw", learning_rate=0.01, beta1=0.9, beta2=0.95, weight_decay=0.1)
    start = torch.randn(5, 3, dtype=torch.float64)
    ours, theirs, readable = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone()), start.clone()
    unused = torch.nn.Parameter(torch.ones(2))  # has no gradient
    our_optimizer = AdamW([ours], [unused], config)
    their_optimizer = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    mean, mean_square = torch.zeros_like(start), torch.zeros_like(start)
    for step in range(1, 20):
        gradient = torch.randn_like(start)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        our_optimizer.step()
        their_optimizer.step()
        adamw_step(
            readable, gradient, mean, mean_square, step,
            learning_rate=0.01, beta1=0.9, beta2=0.95, weight_decay=0.1,
        )  # fmt: skip
        assert torch.equal(ours, theirs)
        torch.testing.assert_close(readable, ours.detach(), rtol=1e-12, atol=1e-12)
    assert unused.eq(1).all() and unused not in our_optimizer.state


def test_a_snapshot_of_torchs_adamw_goes_on_the_same():
    torch.manual_seed(0)
    config = TrainingConfig(optimizer="adamw", learning_rate=0.01)
    ours, theirs = torch.nn.Parameter(torch.randn(4)), torch.nn.Parameter(torch.randn(4))
    group = {"params": [theirs], "peak": config.learning_rate, "weight_decay": 0.0}
    before = torch.optim.AdamW([group], lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=True)
    theirs.grad = torch.randn(4)
    before.step()
    after = AdamW([], [ours], config)
    _check_optimizer(before.state_dict(), after, step=1)
    after.load_state_dict(before.state_dict())
    with torch.no_grad():
        ours.copy_(theirs)
    ours.grad = theirs.grad = torch.randn(4)
    before.step()
    after.step()
    assert torch.equal(ours, theirs)
