import contextlib
import copy
import dataclasses
import itertools
import json
import math

import pytest
import torch
from run_folders import rows_without_times

from llm.checkpoints import RunFolder
from llm.config import TrainingConfig
from llm.data import split_text
from llm.presets import preset
from llm.training.baselines import measure_baselines
from llm.training.divergence import TrainingDiverged
from llm.training.evaluation import evaluate
from llm.training.evaluators import sample_prompt
from llm.training.setup import resume_run, start_run
from llm.training.trainer import Trainer
from llm.world import SKILLS, generate

TEXT = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
TRAINING = TrainingConfig(
    steps=12, batch_size=4, eval_every=5, eval_windows=3, sample_tokens=8, device="cpu", warmup=0.1, decay=0.3
)


def start(tmp_path, training=TRAINING, architecture="llama", tokenizer_kind="char", text=TEXT, **overrides) -> Trainer:
    sizes = {"d_model": 16, "n_layers": 2, "n_heads": 2, "n_ctx": 16}
    config = preset(architecture, d_vocab=1, **(sizes | overrides))
    return start_run(config, training, tokenizer_kind, text, "foxes.txt", tmp_path, architecture=architecture)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in trainer.model.named_parameters()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    trainer = start(tmp_path_factory.mktemp("finished"))
    return trainer, list(trainer)


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
    prompt = sample_prompt(trainer.tokenizer, trainer.data, trainer.config)
    evaluated = [m.step for m in metrics if m.evaluation is not None]
    assert evaluated == [m.step for m in metrics if m.sample is not None] == [5, 10, 12]
    assert all(m.sample.startswith(prompt) for m in metrics if m.sample is not None)
    assert TEXT[-400:].find(prompt) >= 0  # from the validation part


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


def test_a_run_from_before_the_test_part_trains_on_bit_for_bit_and_keeps_all_of_its_validation_text(tmp_path):
    straight, older = start(tmp_path / "straight"), start(tmp_path / "older")
    list(straight)
    for _ in range(5):
        next(older)
    older.snapshot()
    path = older.folder.path / "config.json"
    about = json.loads(path.read_text())
    for name in ("validation_characters", "test_characters", "sentences_seen_in_training"):
        del about["text"][name]
    del about["baselines_of_all"]
    path.write_text(json.dumps(about))
    resumed = resume_run(older.folder.path)
    metrics = list(resumed)
    assert same(weights(straight), weights(resumed))
    train, validation, test = resumed.folder.parts()
    assert (train, test) == (split_text(TEXT).train, "")
    assert metrics[-1].final_evaluation.characters > 0.9 * len(validation) > 0.09 * len(TEXT)


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


CASES = {
    "adamw": {},
    "dropout": {"dropout": 0.3},
    "muon": {"optimizer": "muon"},
    "accumulation": {"accumulation": 2, "precision": "bfloat16"},
    "gpt": {"architecture": "gpt", "dropout": 0.1},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_killed_run_resumes_bit_for_bit(tmp_path, case):
    training = dataclasses.replace(
        TRAINING, **{name: value for name, value in case.items() if name not in ("dropout", "architecture")}
    )
    model = {name: value for name, value in case.items() if name in ("dropout", "architecture")}
    straight = start(tmp_path / "straight", training, **model)
    list(straight)

    killed = start(tmp_path / "killed", training, **model)
    for _ in range(7):  # its newest snapshot lies before step 7: the rows after it are taken again
        next(killed)
    assert killed.folder.snapshots()[-1] < 7
    assert killed.folder.read_metrics().rows[-1]["step"] == 7
    path = killed.folder.path
    del killed
    torch.rand(100)  # whatever else draws from the process's random state in between
    resumed = resume_run(path)
    list(resumed)

    assert same(weights(straight), weights(resumed))
    assert rows_without_times(straight.folder) == rows_without_times(resumed.folder)


@pytest.mark.parametrize("steps_before_stop", [0, 3, 5, 11])
def test_a_stopped_run_continues_from_that_very_step(tmp_path, steps_before_stop, finished):
    stopped = start(tmp_path)
    for _ in range(steps_before_stop):
        next(stopped)
    stopped.snapshot()
    assert stopped.folder.snapshots()[-1] == steps_before_stop
    assert stopped.folder.status().state == "stopped"
    resumed = resume_run(stopped.folder.path)
    assert resumed.step == steps_before_stop
    list(resumed)
    assert same(weights(finished[0]), weights(resumed))
    assert rows_without_times(finished[0].folder) == rows_without_times(resumed.folder)


def test_a_run_killed_before_its_first_snapshot_starts_anew(tmp_path, finished):
    resumed = resume_run(start(tmp_path).folder.path)
    list(resumed)
    assert rows_without_times(finished[0].folder) == rows_without_times(resumed.folder)


def test_resuming_a_finished_run_changes_nothing(finished):
    before = rows_without_times(finished[0].folder)
    resumed = resume_run(finished[0].folder.path)
    assert resumed.finished
    assert list(resumed) == []
    assert rows_without_times(finished[0].folder) == before
    assert resumed.folder.status().state == "finished"


def test_dropout_depends_on_the_run_alone(tmp_path):
    undisturbed = start(tmp_path, dropout=0.3)
    disturbed = start(tmp_path, dropout=0.3)
    for _ in range(3):
        torch.manual_seed(7)
        next(disturbed)
        after = torch.random.get_rng_state()
        torch.manual_seed(7)
        assert torch.equal(after, torch.random.get_rng_state())
        next(undisturbed)
        torch.rand(5)
    assert same(weights(undisturbed), weights(disturbed))


def test_the_seed_decides_everything(tmp_path, finished):
    again = start(tmp_path)
    list(again)
    assert rows_without_times(again.folder) == rows_without_times(finished[0].folder)
    other = start(tmp_path, dataclasses.replace(TRAINING, seed=1))
    next(other)
    assert rows_without_times(other.folder)[1]["loss"] != rows_without_times(again.folder)[1]["loss"]


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


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_divergence_is_explained_and_leaves_weights_and_snapshot(tmp_path, where):
    trainer = start(tmp_path)
    for _ in range(4):
        next(trainer)
    before = weights(trainer)
    if where == "loss":
        trainer.forward = lambda tokens: trainer.model(tokens) * math.nan
    else:
        trainer.model.embed.W_E.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(TrainingDiverged, match=r"in step 5: .* learning rate"):
        next(trainer)
    assert same(before, weights(trainer))
    assert trainer.step == 4
    status = trainer.folder.status()
    assert status.state == "failed" and "diverged in step 5" in status.message
    assert resume_run(trainer.folder.path).step == 4


def strict_rows(folder: RunFolder) -> list[dict]:
    """metrics.jsonl as a browser reads it: NaN and Infinity are not JSON."""

    def reject(name: str) -> None:
        raise AssertionError(f"{name} in metrics.jsonl")

    lines = (folder.path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=reject) for line in lines]


@pytest.mark.parametrize("sample_tokens", [0, 8])
@pytest.mark.parametrize(("steps", "eval_every"), [(5, 1), (1, 1), (1, 100)])
def test_divergence_first_seen_at_an_evaluation_fails_the_run(tmp_path, sample_tokens, steps, eval_every):
    changed = {"steps": steps, "eval_every": eval_every, "sample_tokens": sample_tokens, "warmup": 0.0}
    trainer = start(tmp_path, dataclasses.replace(TRAINING, learning_rate=1e20, **changed))
    with pytest.raises(TrainingDiverged, match=r"diverged in step 1: .* learning rate 1e\+20.*Try a third"):
        list(trainer)
    assert trainer.folder.status().state == "failed"
    assert "last snapshot is from before that step" in trainer.folder.status().message
    assert not trainer.folder.has("final")
    assert [row["step"] for row in strict_rows(trainer.folder)] == [0]
    assert trainer.folder.snapshots() == [0]


def test_divergence_first_seen_in_a_sample_fails_the_run(tmp_path):
    trainer = start(tmp_path, dataclasses.replace(TRAINING, eval_every=1))
    next(trainer)
    trainer.evaluators = trainer.evaluators[1:]  # the sample alone
    assert [evaluator.__qualname__.split(".")[0] for evaluator in trainer.evaluators] == ["sample"]
    trainer.model.register_forward_hook(lambda module, inputs, logits: logits if module.training else logits * math.nan)
    with pytest.raises(TrainingDiverged, match=r"in step 2: the model's logits contain NaN .* Try a third"):
        next(trainer)
    assert trainer.folder.status().state == "failed"


@pytest.mark.parametrize("snapshot", ["due", "asked for"])
def test_no_snapshot_has_weights_that_are_not_finite(tmp_path, snapshot):
    trainer = start(tmp_path)
    for _ in range(3 if snapshot == "due" else 6):
        next(trainer)
    update = trainer._update_weights

    def diverge(multiplier: float) -> None:
        update(multiplier)
        with torch.no_grad():
            trainer.model.embed.W_E[0, 0] = math.inf

    trainer._update_weights = diverge
    with pytest.raises(TrainingDiverged, match="weights contain NaN or infinity"):
        if next(trainer):
            trainer.snapshot()
    assert trainer.folder.status().state == "failed"
    kept = resume_run(trainer.folder.path)
    assert (kept.step, all(weight.isfinite().all() for weight in weights(kept).values())) == (
        {"due": 2, "asked for": 4}[snapshot],
        True,
    )


def test_an_untrained_model_whose_logits_are_not_finite_fails(tmp_path):
    trainer = start(tmp_path)
    trainer.model.register_forward_hook(lambda module, inputs, logits: logits * math.nan)
    with pytest.raises(TrainingDiverged, match=r"cannot begin: the untrained model's evaluation's loss became nan"):
        next(trainer)
    assert trainer.folder.status().state == "failed"
    assert strict_rows(trainer.folder) == []


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


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_run_that_is_being_trained_is_left_alone(tmp_path, state):
    trainer = start(tmp_path)
    next(trainer)
    if state == "paused":
        trainer.snapshot("paused")
    before = rows_without_times(trainer.folder)
    with pytest.raises(ValueError, match="is being trained in this process: stop it there before resuming"):
        resume_run(trainer.folder.path)
    assert rows_without_times(trainer.folder) == before
    trainer.snapshot("stopped")
    assert resume_run(trainer.folder.path).step == 1


def test_of_two_resumes_at_once_one_trains(tmp_path):
    trainer = start(tmp_path)
    next(trainer)
    trainer.snapshot("stopped")
    first = resume_run(trainer.folder.path)  # has not taken a step: status.json still says "stopped"
    with pytest.raises(ValueError, match="is being trained in this process"):
        resume_run(trainer.folder.path)
    list(first)
    assert first.folder.status().state == "finished"


def test_a_run_whose_resume_failed_can_be_resumed(tmp_path):
    folder = start(tmp_path).folder
    text = (folder.path / "text.txt").read_bytes()
    folder.unlock()
    (folder.path / "text.txt").write_bytes(b"other")
    with pytest.raises(ValueError, match="not the text") as failure:
        resume_run(folder.path)
    (folder.path / "text.txt").write_bytes(text)
    assert resume_run(folder.path).step == 0
    del failure  # until here it kept the objects of the first attempt


def test_on_the_worlds_text_an_evaluation_tells_of_sentences_and_now_and_then_of_skills(tmp_path):
    training = dataclasses.replace(TRAINING, steps=6, eval_every=2, sample_tokens=60, skill_pairs=2)
    trainer = start(tmp_path, training, text=generate(seed=3, size=60_000))
    metrics = list(trainer)
    assert [m.step for m in metrics if m.well_formed is not None] == [2, 4, 6]
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


def test_another_text_than_the_runs_own_is_not_resumed(tmp_path):
    trainer = start(tmp_path)
    next(trainer)
    trainer.snapshot()
    text = trainer.folder.path / "text.txt"
    text.write_text(TEXT + "one more line\n")
    with pytest.raises(ValueError, match=r"text\.txt is damaged: it is not the text that the run began with"):
        resume_run(trainer.folder.path)
