"""A run can be trained again from its config.json and text, and any difference is found at its first step."""

import shutil

import pytest
import safetensors.torch
import torch
from run_folders import change_config, change_rows

from llm.config import TrainingConfig
from llm.presets import preset
from llm.runs.folder import RunFolder
from llm.training.reproduction import Difference, reproduce
from llm.training.resumes import changed_since_start
from llm.training.setup import resume_run, start_run

TEXT = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
SHAPE = {"d_model": 8, "n_layers": 1, "n_heads": 2, "n_ctx": 8, "dropout": 0.1}
TRAINING = TrainingConfig(steps=5, batch_size=2, eval_every=2, eval_windows=2, sample_tokens=6, device="cpu", seed=3)


def start(folder, tokenizer="char", d_vocab=None, implementation="fused"):
    config = preset("llama", d_vocab=1, **SHAPE)
    return start_run(config, TRAINING, tokenizer, TEXT, "foxes.txt", folder, d_vocab, implementation=implementation)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    trainer = start(tmp_path_factory.mktemp("trained"))
    list(trainer)
    return trainer.folder.path


@pytest.fixture
def run(trained, tmp_path):
    """A copy that can be changed."""
    return RunFolder(shutil.copytree(trained, tmp_path / trained.name))


def outcome(folder, steps=None):
    return list(reproduce(folder.path, steps))[-1]


def content(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.path.rglob("*") if path.is_file()}


def test_a_run_is_reproduced_and_nothing_of_it_is_touched(run):
    before = content(run)
    comparisons = list(reproduce(run.path))
    assert [comparison.step for comparison in comparisons] == [0, 1, 2, 3, 4, 5]
    assert all(comparison.last_step == 5 and comparison.difference is None for comparison in comparisons)
    assert changed_since_start(run.config()) == []
    assert content(run) == before


@pytest.mark.parametrize("implementation", ["einops", "torch"])
def test_from_the_config_and_the_text_alone(implementation, tmp_path):
    """A tokenizer of a chosen size and another implementation are set up again as well."""
    trainer = start(tmp_path, "sentencepiece", 300, implementation)
    list(trainer)
    assert outcome(trainer.folder).difference is None


def test_a_run_that_was_stopped_and_resumed_is_reproduced(tmp_path):
    trainer = start(tmp_path)
    for _ in range(3):
        next(trainer)
    trainer.snapshot()
    assert outcome(trainer.folder) == outcome(trainer.folder, 99)
    assert outcome(trainer.folder).step == 3
    list(resume_run(trainer.folder.path))
    assert outcome(trainer.folder).step == 5
    assert outcome(trainer.folder).difference is None


def test_only_as_many_steps_as_asked_for(run):
    change_rows(run.path, lambda rows: rows[3].update(loss=0.5))
    assert outcome(run, 2).difference is None
    assert outcome(run, 2).step == 2
    assert outcome(run, 3).difference.step == 3


@pytest.mark.parametrize(("name", "inner"), [
    ("loss", None), ("grad_norm", None), ("learning_rate", None), ("grad_norms", "block 0"), ("evaluation", "loss"),
    ("evaluation", "accuracy"), ("sample", None),
])  # fmt: skip
def test_the_first_value_that_differs_is_named(run, name, inner):
    true = {}

    def change(rows):
        values, key = (rows[4], name) if inner is None else (rows[4][name], inner)
        true["value"] = values[key]
        values[key] = f"{values[key]}!" if isinstance(values[key], str) else values[key] + 1e-9
        true["changed"] = values[key]
        rows[5]["loss"] = 0.0

    change_rows(run.path, change)
    what = name if inner is None else f"{name} {inner}"
    assert outcome(run).difference == Difference(4, what, true["changed"], true["value"])


def test_times_are_not_compared(run):
    change_rows(run.path, lambda rows: rows[2].update(seconds=9e9, elapsed=9e9, tokens_per_second=1.0))
    assert outcome(run).difference is None


@pytest.mark.parametrize("file", ["step_000002/model.safetensors", "final_model.safetensors"])
def test_a_weight_that_differs_in_its_last_bit_is_found(run, file):
    path, step = run.path / file, 2 if file.startswith("step") else 5
    tensors = safetensors.torch.load_file(path)
    weight = tensors["unembed.W_U"]
    true = weight[3, 4].item()
    weight[3, 4] = torch.nextafter(weight[3, 4], torch.tensor(9.0))
    safetensors.torch.save_file(tensors, path, metadata={"step": str(step)})
    assert outcome(run).difference == Difference(step, "weights unembed.W_U[3, 4]", weight[3, 4].item(), true)


def test_another_seed_differs_from_the_start(run):
    change_config(run.path, lambda config: config["training"].update(seed=4))
    difference = outcome(run).difference
    assert difference.step == 0
    assert difference.what == "evaluation loss"


def test_a_tokenizer_that_the_text_does_not_give_is_named(tmp_path):
    trainer = start(tmp_path, "bpe", 270)
    next(trainer)
    tokenizer = {"kind": "bpe", "d_vocab_requested": 280}
    change_config(trainer.folder.path, lambda config: config.update(tokenizer=tokenizer))
    assert outcome(trainer.folder).difference == Difference(0, "tokenizer's d_vocab", 270, 280)


def test_a_run_from_before_these_records_is_reproduced(run):
    def as_before(config):
        for name in ("conditions", "code", "data_order"):
            del config[name]
        config["tokenizer"] = {"kind": "char"}

    change_config(run.path, as_before)
    change_rows(run.path, lambda rows: [row.pop("well_formed") for row in rows])
    assert outcome(run).difference is None
    assert changed_since_start(run.config()) == []


def test_where_there_is_nothing_to_compare_with(run):
    (run.path / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="has no metrics yet"):
        outcome(run)


def test_a_run_that_diverges_only_here_says_so(tmp_path):
    trainer = start(tmp_path)
    for _ in range(3):
        next(trainer)
    change_config(trainer.folder.path, lambda config: config["training"].update(learning_rate=1e35, grad_clip=0.0))
    change_rows(trainer.folder.path, lambda rows: [row.pop("learning_rate") for row in rows])
    (trainer.folder.path / "best_model.safetensors").unlink()
    shutil.rmtree(trainer.folder.path / "step_000001")
    shutil.rmtree(trainer.folder.path / "step_000002")
    difference = outcome(trainer.folder).difference
    assert difference.what == "course"
    assert "diverged in step 2" in difference.here
