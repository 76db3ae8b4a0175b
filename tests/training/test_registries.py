"""An optimizer and a schedule that are added to the registries, and nowhere else, are served everywhere."""

import dataclasses

import pytest
import torch
import toy_training

from llm import cli
from llm.config import TrainingConfig, describe
from llm.costs import memory
from llm.interop.standalone import standalone_script
from llm.model import Transformer
from llm.presets import preset
from llm.registry import registry
from llm.tokenizers import REGISTRY as TOKENIZERS
from llm.training.optimizers import REGISTRY as OPTIMIZERS
from llm.training.optimizers import OptimizerEntry, ShownStep
from llm.training.optimizers.build import parameter_groups
from llm.training.schedule import REGISTRY as SCHEDULES
from llm.training.setup import resume_run, start_run

TEXT = "The hen sat on the gate.\nThe fox sat under it & waited.\n\n" * 60


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "toy", toy_training.OPTIMIZER)
    monkeypatch.setitem(SCHEDULES, "toy", toy_training.SCHEDULE)


@pytest.mark.parametrize("implementation", ["einops", "torch", "fused"])
def test_a_toy_optimizer_and_schedule_train_and_resume(tmp_path, toys, implementation):
    config = preset("llama", d_vocab=1, d_model=16, n_layers=1, n_heads=2, n_ctx=8)
    training = TrainingConfig(
        steps=6, batch_size=4, optimizer="toy", schedule="toy", learning_rate=0.1, warmup=0, eval_every=100,
        eval_windows=2, sample_tokens=0, device="cpu", precision="float32",
    )  # fmt: skip
    trainer = start_run(config, training, "char", TEXT, "hens.txt", tmp_path, implementation=implementation)
    before = trainer.model.blocks[0].mlp.W_in.detach().clone()
    first = next(trainer)
    # the first step from a fresh state, by hand: the norm of the gradient is below the limit, so nothing is clipped
    gradient = trainer.model.blocks[0].mlp.W_in.grad
    toy_training.first_step(before, gradient, training)
    torch.testing.assert_close(trainer.model.blocks[0].mlp.W_in.detach(), before)
    trainer.snapshot()
    resumed = resume_run(trainer.folder.path)
    rates = [first.learning_rate] + [metrics.learning_rate for metrics in resumed]
    assert rates == pytest.approx([0.1 * (left / 6) ** 0.5 for left in (6, 5, 4, 3, 2, 1)])
    assert list(trainer)[-1].loss == resumed.last_metrics.loss
    for name, parameter in trainer.model.named_parameters():
        assert torch.equal(parameter, resumed.model.get_parameter(name)), name


def test_a_run_records_the_learning_rate_that_it_chose(tmp_path):
    config = preset("llama", d_vocab=1, d_model=96, n_layers=1, n_heads=2, n_ctx=8)
    training = TrainingConfig(steps=1, optimizer="adamw", warmup=0, eval_windows=1, sample_tokens=0, device="cpu")
    trainer = start_run(config, training, "char", TEXT, "hens.txt", tmp_path)
    assert trainer.config.learning_rate == trainer.folder.config().raw["training"]["learning_rate"] == 0.004
    assert next(trainer).learning_rate == 0.004


def test_a_toy_optimizer_is_costed_exactly(toys):
    model = Transformer(preset("gpt", d_vocab=11, d_model=16, n_layers=2, n_heads=2, n_ctx=8))
    training = TrainingConfig(optimizer="toy", learning_rate=0.1)
    (optimizer,) = registry("optimizer")["toy"].build(parameter_groups(model), training)
    model(torch.randint(11, (1, 8))).sum().backward()
    optimizer.step()
    held = sum(value.nbytes for state in optimizer.state.values() for value in state.values())
    assert memory(model.config, training).optimizer == held


def test_toys_are_in_the_help_of_the_command_line_and_the_config(toys, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    assert cli.main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    for help_text in (toy_training.OPTIMIZER.help, toy_training.SCHEDULE.help):
        assert f"toy: {help_text}" in shown
    assert describe(TrainingConfig)["optimizer"].choices == ("adamw", "muon", "toy")
    with pytest.raises(ValueError, match="optimizer must be one of adamw, muon, toy, got 'sgd'"):
        TrainingConfig(optimizer="sgd")


def test_a_script_of_the_model_does_not_depend_on_how_it_was_trained(toys):
    config = preset("gpt", d_vocab=11, d_model=16, n_layers=1, n_heads=2, n_ctx=8)
    assert "toy" not in standalone_script(config, "fused", "char")


@pytest.mark.parametrize(
    "entry",
    [toy_training.OPTIMIZER, toy_training.OPTIMIZER.steps[0], toy_training.SCHEDULE, *TOKENIZERS.values()],
    ids=lambda entry: type(entry).__name__,
)
def test_an_entry_without_one_of_its_fields_cannot_be_declared(entry):
    fields = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    for name in fields:
        with pytest.raises(TypeError, match=name):
            type(entry)(**{other: value for other, value in fields.items() if other != name})
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(entry, name, None)


@pytest.mark.parametrize("entry", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_functions_that_are_imported_at_their_first_call_exist(entry: OptimizerEntry):
    model = Transformer(preset("gpt", d_vocab=11, d_model=16, n_layers=1, n_heads=2, n_ctx=8))
    assert entry.build(parameter_groups(model), TrainingConfig())
    for step in entry.steps:
        assert isinstance(step, ShownStep)
        weight = torch.ones(3, 2)
        step.first(weight, torch.ones(3, 2), TrainingConfig(learning_rate=0.01))
        assert not weight.eq(1).any()
