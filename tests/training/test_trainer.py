"""One optimizer step after the other: metrics, evaluations, and the files of the run."""

import contextlib
import copy
import dataclasses
import itertools
import json
import math

import pytest
import torch
from run_folders import rows_without_times
from tiny_training import TEXT, TRAINING, start
from torch.utils._python_dispatch import TorchDispatchMode

from llm.data import split_text
from llm.training.baselines import measure_baselines
from llm.training.evaluation import evaluate
from llm.training.evaluators import sample_prompts
from llm.training.setup import resume_run
from llm.training.trainer import Trainer
from llm.world import SKILLS, generate

aten = torch.ops.aten


def test_each_next_is_one_step_and_yields_its_metrics(finished):
    trainer, metrics = finished
    assert [m.step for m in metrics] == list(range(1, 13))
    assert [m.tokens for m in metrics] == [4 * 16 * step for step in range(1, 13)]
    assert all(math.isfinite(m.loss) and m.grad_norm > 0 and m.tokens_per_second > 0 for m in metrics)
    assert all(list(m.grad_norms) == ["embed", "block 0", "block 1", "final"] for m in metrics)
    assert all(math.hypot(*m.grad_norms.values()) == pytest.approx(m.grad_norm, rel=1e-5) for m in metrics)
    assert all(earlier.seconds < later.seconds <= later.elapsed for earlier, later in itertools.pairwise(metrics))
    assert trainer.finished
    assert trainer.stop_reason == "all 12 steps are done"
    with pytest.raises(StopIteration):
        next(trainer)


def test_evaluations_and_samples_come_at_their_steps_and_at_the_end(finished):
    trainer, metrics = finished
    prompts = sample_prompts(trainer.tokenizer, trainer.data, trainer.config)
    evaluated = [m.step for m in metrics if m.evaluation is not None]
    assert evaluated == [m.step for m in metrics if m.sample is not None] == [5, 10, 12]
    samples = [m.sample for m in metrics if m.sample is not None]
    assert all(text.startswith(prompts[number % len(prompts)]) for number, text in enumerate(samples, start=1))
    assert all(TEXT[-400:].find(prompt) >= 0 for prompt in prompts)  # from the validation part


def test_tokens_per_second_are_a_running_mean(finished):
    trainer = copy.copy(finished[0])
    tokens = trainer.config.batch_size * trainer.config.accumulation * trainer.model.config.n_ctx
    trainer.tokens_per_second = None
    trainer._count_time(0.5)
    assert trainer.tokens_per_second == pytest.approx(tokens / 0.5)
    trainer._count_time(1.5)  # counts a tenth, in seconds per token
    assert trainer.tokens_per_second == pytest.approx(tokens / (0.9 * 0.5 + 0.1 * 1.5))


def test_at_the_end_all_of_the_validation_text_is_measured_with_the_final_weights(finished):
    trainer, metrics = finished
    whole = metrics[-1].final_evaluation
    assert whole == evaluate(trainer.model, trainer.data.validation, None, TRAINING.batch_size, trainer.autocast)
    assert TEXT.count("\n") * 0.05 * 29 < whole.characters <= len(split_text(TEXT).validation)
    assert whole.passages == len(trainer.data.validation)
    assert [m.final_evaluation for m in metrics[:-1]] == [None] * 11


def test_baselines_are_recorded_on_the_passages_of_the_curve_and_on_all_of_the_validation_text(tmp_path):
    trainer = start(tmp_path, dataclasses.replace(TRAINING, eval_windows=1, steps=1), text=TEXT * 12)
    about, passages = trainer.folder.config().raw, trainer.data.validation
    choices = [torch.tensor([0]), torch.arange(len(passages))]
    on_one, on_all = measure_baselines(trainer.data.train, passages, choices, trainer.tokenizer.d_vocab)
    assert (about["baselines"], about["baselines_of_all"]) == (dataclasses.asdict(on_one), dataclasses.asdict(on_all))
    assert on_one.bigram != on_all.bigram
    assert (on_one.bigram_standard_error is None, on_all.bigram_standard_error > 0) == (True, True)


def test_loss_falls(finished):
    _, metrics = finished
    assert metrics[-1].evaluation.loss < metrics[4].evaluation.loss


def test_the_folder_holds_metrics_snapshots_best_and_final(finished):
    trainer, metrics = finished
    written = trainer.folder.read_metrics().rows
    assert [row["step"] for row in written] == list(range(13))
    assert written[0]["loss"] is None
    assert written[0]["evaluation"]["loss"] == pytest.approx(math.log(trainer.tokenizer.d_vocab), rel=0.3)
    assert [row["step"] for row in written if row["final_evaluation"]] == [12]
    assert written[1:] == [json.loads(json.dumps(m.row())) for m in metrics]
    assert {0, 1, 2, 4, 8, 12} <= set(trainer.folder.snapshots())
    assert (trainer.folder.path / "best_model.safetensors").exists()
    assert (trainer.folder.path / "final_model.safetensors").exists()
    assert trainer.folder.status().state == "finished"
    assert trainer.folder.config().training == TRAINING.for_model(trainer.model.config)


def test_accumulated_gradients_equal_those_of_one_large_batch(tmp_path):
    exact = dataclasses.replace(TRAINING, precision="float32")
    small = start(tmp_path, dataclasses.replace(exact, batch_size=4, accumulation=3))
    large = start(tmp_path, dataclasses.replace(exact, batch_size=12, accumulation=1))
    first, second = next(small), next(large)
    assert first.loss == pytest.approx(second.loss, rel=1e-5)
    assert first.grad_norm == pytest.approx(second.grad_norm, rel=1e-4)
    assert first.tokens == second.tokens


def test_gradients_are_clipped_to_the_limit(tmp_path):
    clipped = start(tmp_path, dataclasses.replace(TRAINING, grad_clip=1e-3))
    metrics = next(clipped)
    gradients = [parameter.grad for parameter in clipped.model.parameters()]
    assert metrics.grad_norm > 1e-3  # as it was before
    assert torch.nn.utils.get_total_norm(gradients).item() == pytest.approx(1e-3, rel=1e-3)
    free = start(tmp_path, dataclasses.replace(TRAINING, grad_clip=0.0))
    metrics = next(free)
    gradients = [parameter.grad for parameter in free.model.parameters()]
    assert torch.nn.utils.get_total_norm(gradients).item() == pytest.approx(metrics.grad_norm, rel=1e-5)


def test_patience_ends_a_run_that_no_longer_improves(tmp_path):
    training = dataclasses.replace(TRAINING, steps=100, eval_every=1, patience=2, learning_rate=1e-12)
    trainer = start(tmp_path, training)
    trainer.best_loss = 0.0  # nothing will beat it
    metrics = list(trainer)
    assert len(metrics) == 2
    assert "stopped early at step 2" in trainer.stop_reason
    assert [m.final_evaluation is None for m in metrics] == [True, False]
    assert trainer.folder.status().state == "finished"
    assert trainer.folder.snapshots()[-1] == 2
    assert resume_run(trainer.folder.path).finished


def test_status_is_written_at_most_once_a_second(tmp_path, monkeypatch):
    trainer = start(tmp_path, dataclasses.replace(TRAINING, steps=10, sample_tokens=0))
    states = []
    monkeypatch.setattr(trainer.folder, "write_status", lambda state, message, step: states.append(state))
    list(trainer)
    assert states.count("running") <= 2
    assert states[-1] == "finished"


def test_training_needs_no_folder(finished):
    trained = finished[0]
    alone = Trainer(trained.model, trained.tokenizer, trained.data, TRAINING)
    assert next(alone).step == 1
    alone.snapshot()


def test_evaluators_are_called_at_their_steps_and_fill_the_metrics(finished):
    trained, called = finished[0], []

    def measure(model, step):
        called.append((model is trained.model, model.training, step))
        return {"sample": f"after {step}"}

    config = dataclasses.replace(TRAINING, steps=4, eval_every=3)
    metrics = list(Trainer(trained.model, trained.tokenizer, trained.data, config, evaluators=[measure]))
    assert called == [(True, True, step) for step in (0, 3, 4)]
    assert [m.sample for m in metrics] == [None, None, "after 3", "after 4"]
    assert {m.evaluation for m in metrics} == {None}


def test_a_prompt_with_unknown_characters_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="木"):
        start(tmp_path, dataclasses.replace(TRAINING, sample_prompt="木"))
    with contextlib.suppress(FileNotFoundError):
        assert list(tmp_path.iterdir()) == []


def test_on_the_worlds_text_an_evaluation_tells_of_sentences_and_now_and_then_of_skills(tmp_path):
    training = dataclasses.replace(TRAINING, steps=6, eval_every=2, sample_tokens=60, skill_pairs=2)
    trainer = start(tmp_path, training, text=generate(seed=3, size=60_000))
    metrics = list(trainer)
    assert trainer.evaluators[1](trainer.model, 6).keys() == {"sample", "well_formed"}
    assert [m.step for m in metrics if m.skills is not None] == [2, 4, 6]  # evaluations number 1 and 2, and the last
    assert metrics[-1].skills.keys() <= SKILLS.keys()
    assert all(accuracy in (0, 0.5, 1) for accuracy in metrics[-1].skills.values())
    assert rows_without_times(trainer.folder)[-1]["skills"] == metrics[-1].skills


def test_skills_are_asked_densely_early_and_sparsely_late(tmp_path):
    training = dataclasses.replace(TRAINING, steps=11, eval_every=1, sample_tokens=0, skill_pairs=1)
    metrics = list(start(tmp_path, training, text=generate(seed=3, size=60_000)))
    assert [m.step for m in metrics if m.skills is not None] == [1, 2, 4, 8, 11]


def test_on_another_text_nothing_is_said_of_the_world(finished):
    _, metrics = finished
    assert {(m.well_formed, m.skills) for m in metrics} == {(None, None)}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_reads_numbers_from_the_device_once(optimizer, tmp_path):
    """Each reading waits for a GPU: loss and norms are read together (`tolist`), and nothing by itself."""
    trainer = start(tmp_path, dataclasses.replace(TRAINING, optimizer=optimizer, accumulation=2, eval_every=100))
    next(trainer)
    next(trainer)  # the next one has no snapshot
    with Reads() as reads:
        next(trainer)
    assert reads.found == []


class Reads(TorchDispatchMode):
    """Notes the operators whose result Python must wait for."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket in (aten._local_scalar_dense, aten.nonzero, aten.equal, aten.is_nonzero):
            self.found.append(function)
        return function(*args, **(kwargs or {}))
