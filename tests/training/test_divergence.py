"""A training that diverges stops, says so, and keeps the weights from before."""

import dataclasses
import json
import math

import pytest
import torch
from tiny_training import TRAINING, same, start, weights

from llm.checkpoints import RunFolder
from llm.training.divergence import TrainingDiverged
from llm.training.setup import resume_run


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
    with pytest.raises(TrainingDiverged, match=r"diverged in step 1: .* learning_rate 1e\+20.*Try a third"):
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
