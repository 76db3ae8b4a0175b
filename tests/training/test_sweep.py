"""Sweeps: which run belongs to which combination, and means over seeds."""

import dataclasses
import statistics

import pytest
from tiny_training import TEXT

from llm.checkpoints import RunFolder, list_runs
from llm.runtime import compute
from llm.training.branching import start_branch
from llm.training.settings import RunSettings, names_of
from llm.training.sweep import Result, over_seeds, plan, result, variants
from llm.training.values import read_values

TINY = {
    "data": "foxes.txt", "tokenizer": "char", "d_model": 16, "n_layers": 1, "n_heads": 2, "n_ctx": 16, "steps": 4,
    "batch_size": 2, "eval_windows": 2, "sample_tokens": 0, "device": "cpu",
}  # fmt: skip


@pytest.fixture(autouse=True)
def text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "foxes.txt").write_text(TEXT)


def train(make_trainer, steps=None):
    trainer = make_trainer()
    while not trainer.finished and trainer.step != steps:
        compute.run(next, trainer)
    trainer.snapshot()
    return trainer.folder.id


def test_a_killed_sweep_goes_on_with_what_is_not_finished():
    first, second, third = plan({"learning_rate": [1e-3, 2e-3, 3e-3]}, TINY)
    finished, begun = train(first.to_train()), train(second.to_train(), steps=2)
    assert [found.state for found in map(result, (first, second, third))] == ["finished", "stopped", "not begun"]
    assert result(second).step == 2 and result(second).loss is None

    first, second, third = plan({"learning_rate": [1e-3, 2e-3, 3e-3]}, TINY)  # as another process would
    assert first.to_train() is None
    assert train(second.to_train()) == begun  # resumed, not begun again
    assert train(third.to_train()) not in (finished, begun)
    assert {result(one).run for one in (first, second, third)} == {run.id for run in list_runs()}


def test_a_run_that_another_process_trains_is_left_to_it():
    [one] = plan({"seed": [3]}, TINY)
    trainer = one.to_train()()
    assert result(one).state == "running" and one.to_train() is None
    trainer.snapshot()


@pytest.mark.parametrize(
    "other",
    [{"learning_rate": 9e-3}, {"tokenizer": "bpe"}, {"implementation": "torch"}, {"n_layers": 2}, {"data": "hens.txt"}],
    ids=lambda other: next(iter(other)),
)
def test_a_run_with_another_setting_or_text_does_not_count(other, tmp_path):
    (tmp_path / "hens.txt").write_text(TEXT.replace("fox", "hen"))
    [one] = plan({"seed": [3]}, TINY)
    train(one.to_train(), steps=1)
    [another] = plan({"seed": [3]}, TINY | other)
    assert result(one).run is not None and result(another).run is None


def test_a_branch_with_the_settings_of_a_combination_does_not_count():
    low, high = plan({"learning_rate": [1e-3, 2e-3]}, TINY)
    run = train(low.to_train())
    branch = start_branch(RunFolder(f"checkpoints/{run}").path, 2, {"learning_rate": 2e-3})
    list(branch)
    assert result(high).run is None


REFUSED = [
    ({"seed": []}, {}, "seed has no values to try"),
    ({"seed": [1]}, {"seed": 2}, "seed is given twice: as 2 and to be varied"),
    ({"norm_eps": [1e-5, -1.0]}, {}, "norm_eps=-1.0: norm_eps must be above 0"),
    ({"norm": ["rmsnorm", "none"], "seed": [0]}, {}, "norm=none, seed=0: norm must be one of"),
]


@pytest.mark.parametrize(("vary", "more", "sentence"), REFUSED, ids=[case[2][:12] for case in REFUSED])
def test_every_combination_is_checked_before_anything_is_trained(vary, more, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan(vary, TINY | more)


def test_means_and_deviations_are_over_seeds_and_the_best_has_fewest_bits():
    bits = {"gpt": [2.0, 2.5, 2.4], "llama": [1.8, None, 2.0], "olmo": [None, None, None]}
    results = [
        Result({"architecture": name, "seed": seed}, "run", "finished" if value else "failed", 9, value, value, 0.5)
        for name, values in bits.items()
        for seed, value in enumerate(values)
    ]
    gpt, llama, olmo = over_seeds(results)
    assert gpt.combination == {"architecture": "gpt"} and (gpt.finished, gpt.seeds) == (3, 3)
    assert gpt.bits_per_character == pytest.approx(2.3)
    assert gpt.bits_deviation == pytest.approx(statistics.stdev([2.0, 2.5, 2.4]))
    assert (llama.finished, llama.best, gpt.best) == (2, True, False)
    assert (olmo.loss, olmo.loss_deviation, olmo.best) == (None, None, False)
    [alone] = over_seeds(results[:1])
    assert (alone.loss, alone.loss_deviation) == (2.0, None)


def test_a_form_is_varied_with_what_each_preset_and_size_brings_along():
    settings = {"steps": 7, "norm": "layernorm", "tokenizer": "bpe", "d_vocab": 300, "n_ctx": 16}
    new = RunSettings.from_names({"data": "foxes.txt"} | settings).new_run()
    new = dataclasses.replace(new, training=new.training.for_model(new.model))  # as the form has it, with a number
    assert names_of(new) == {"architecture": "gpt", "size": "small", "implementation": "fused"} | {
        name: value
        for name, value in settings.items()
        if name != "norm"  # which is the preset's
    }
    runs = variants(new, {"architecture": ["gpt", "llama"], "size": ["small", "medium"]})
    expected = [
        RunSettings.from_names(names_of(new) | {"architecture": architecture, "size": size})
        for architecture in ("gpt", "llama")
        for size in ("small", "medium")
    ]
    assert [(run.model, run.training) for run in runs] == [(one.model, one.training) for one in expected]
    assert runs[-1].model.norm == "rmsnorm" and runs[-1].model.d_model == 384 and runs[-1].model.n_ctx == 16
    assert {run.text.text for run in runs} == {TEXT} and {run.d_vocab_requested for run in runs} == {300}
    char, bpe = variants(new, {"tokenizer": ["char", "bpe"]})
    assert (char.tokenizer_kind, char.d_vocab_requested, bpe.tokenizer_kind) == ("char", None, "bpe")


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("seed", "0, 1,2", [0, 1, 2]),
        ("learning_rate", "none, 1e-3", [None, 1e-3]),
        ("bias", "yes, False", [True, False]),
        ("architecture", "gpt,llama", ["gpt", "llama"]),
        ("warmup", "0", [0.0]),
    ],
    ids=lambda value: value if isinstance(value, str) and "," not in value else "",
)
def test_values_are_read_as_their_settings_type(name, text, values):
    assert read_values(name, text) == values
    assert list(map(type, read_values(name, text))) == list(map(type, values))


@pytest.mark.parametrize(
    "changed", [{"d_model": 160}, {"d_model": 130}, {"n_heads": 2, "n_kv_heads": 2}, {"activation": "relu"}]
)
def test_widths_of_the_form_stay_where_the_preset_would_derive_others(changed):
    settings = {"data": "foxes.txt", "architecture": "llama", "tokenizer": "char"}
    new = RunSettings.from_names(settings).new_run()
    new = dataclasses.replace(new, model=dataclasses.replace(new.model, **changed))
    assert [run.model for run in variants(new, {"seed": [1, 2]})] == [new.model, new.model]
