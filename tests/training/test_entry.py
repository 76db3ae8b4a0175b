"""`llm.train`, `llm.branch` and `llm.sweep`: the settings of the command line, from a script."""

import subprocess
import sys

import pytest
from tiny_training import TEXT, same

import llm
from llm.checkpoints import list_runs, load_run
from llm.presets import ARCHITECTURES
from llm.runs.folder import RunFolder
from llm.training.trainer import Trainer

TINY = {
    "tokenizer": "char", "d_model": 16, "n_layers": 1, "n_heads": 2, "n_ctx": 16, "steps": 3, "batch_size": 2,
    "eval_windows": 2, "sample_tokens": 0, "device": "cpu",
}  # fmt: skip


@pytest.fixture(autouse=True)
def text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "foxes.txt").write_text(TEXT)


def weights(run):
    return dict(run.model.named_parameters())


def test_importing_llm_imports_no_torch():
    code = "import llm, sys; assert 'train' in llm.__all__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_is_trained_and_opened_with_the_settings_of_the_flags():
    run = llm.train("foxes.txt", architecture="llama", learning_rate=1e-3, seed=7, **TINY)
    assert run.step == 3 and not run.model.training and run.tokenizer.kind == "char"
    config = RunFolder(list_runs()[0].path).config()
    assert run.folder.path == list_runs()[0].path
    assert (config.training.learning_rate, config.training.seed, config.model.norm) == (1e-3, 7, "rmsnorm")
    assert same(weights(run), weights(load_run(run.folder.path)))
    longer = llm.branch(run.folder.path, steps=5)
    assert longer.step == 5 and longer.folder.path != run.folder.path
    assert same(weights(llm.branch(run.folder.path, at=2)), weights(run))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"learning_rte": 1}, r"learning_rte is not a setting of a run \(did you mean learning_rate\?\)"),
        ({"tokenizer": "word"}, "tokenizer must be one of .*, got 'word'"),
        ({"implementation": "jax"}, "implementation must be one of einops, torch, fused, got 'jax'"),
        ({"d_vocab": 300}, "d_vocab must be left out with the char tokenizer"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"architecture": "gpd"}, f"architecture must be one of {', '.join(ARCHITECTURES)}, got 'gpd'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_setting_that_cannot_work_is_named(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        llm.train("foxes.txt", **TINY | settings)
    assert list_runs() == []


def test_an_interrupted_training_has_a_snapshot_of_its_last_step_and_goes_on_bit_for_bit(monkeypatch):
    take_step = Trainer.__next__
    straight = llm.train("foxes.txt", **TINY | {"steps": 6})

    def interrupted(trainer):
        if trainer.step == 2:
            raise KeyboardInterrupt
        return take_step(trainer)

    monkeypatch.setattr(Trainer, "__next__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        llm.train("foxes.txt", **TINY | {"steps": 6})
    run = list_runs()[0]
    assert run.state == "stopped" and RunFolder(run.path).snapshots()[-1] == 2
    monkeypatch.setattr(Trainer, "__next__", take_step)
    assert same(weights(llm.train(resume=run.path)), weights(straight))
    with pytest.raises(ValueError, match="resume cannot be combined with steps: a run resumes with its own settings"):
        llm.train(resume=run.path, steps=9)


def test_a_sweep_gives_a_row_for_every_run_and_trains_none_twice(monkeypatch):
    vary = {"architecture": ["gpt", "llama"], "seed": [0, 1]}
    frame = llm.sweep(vary, data="foxes.txt", **TINY)
    assert list(frame.architecture) == ["gpt", "gpt", "llama", "llama"] and list(frame.seed) == [0, 1, 0, 1]
    assert set(frame.state) == {"finished"} and set(frame.run) == {run.id for run in list_runs()}
    for row in frame.itertuples():
        measured = RunFolder(f"checkpoints/{row.run}").read_metrics().rows[-1]["final_evaluation"]
        assert (row.loss, row.bits_per_character) == (measured["loss"], measured["bits_per_character"])
    monkeypatch.setattr(Trainer, "__next__", None)  # nothing is left to train
    assert llm.sweep(vary, data="foxes.txt", **TINY).equals(frame)
