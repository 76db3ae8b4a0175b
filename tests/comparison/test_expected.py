"""The band of a run with the default settings."""

import csv
import importlib.util
import sys
from pathlib import Path

import pytest

from llm.comparison.expected import FIELDS, MEASURED, expected
from llm.config import TrainingConfig
from llm.presets import COURSE, preset
from llm.runs.config import RunConfig
from llm.training.recorded import as_recorded
from llm.world.entropy import TRAINING_TEXT_SHA256

PROJECT = Path(__file__).parents[2]
ABOUT = {"size": "small", "text": {"sha256": TRAINING_TEXT_SHA256}, "tokenizer": {"kind": "bpe"}}


def config(architecture="llama", about=ABOUT, training=None, **model) -> RunConfig:
    built = preset(architecture, **({"d_vocab": 2048} | model))
    recorded = as_recorded(TrainingConfig(**(training or {})), built)
    return RunConfig(built, recorded, about | {"architecture": architecture})


@pytest.mark.parametrize("architecture", COURSE)
def test_a_run_with_the_default_settings_has_a_band_whatever_its_seed(architecture):
    found = expected(config(architecture, training={"seed": 9, "sample_tokens": 0, "device": "cpu"}))
    with MEASURED.open() as file:
        rows = [row for row in csv.DictReader(file) if row["architecture"] == architecture]
    assert found.seeds == len({row["seed"] for row in rows}) >= 2
    usual = TrainingConfig()
    assert [point.step for point in found.points] == [*range(0, usual.steps + 1, usual.eval_every)]
    for point in found.points:
        losses = [float(row["loss"]) for row in rows if float(row["step"]) == point.step]
        assert (point.nats_low, point.nats_high) == (min(losses), max(losses))


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"steps": 451}}, {"training": {"learning_rate": 0.5}}, {"training": {"eval_windows": 31}},
        {"training": {"optimizer": "adamw"}}, {"n_layers": 2}, {"d_vocab": 2047}, {"activation": "gelu"},
        {"about": ABOUT | {"text": {"sha256": "0" * 64}}}, {"about": ABOUT | {"tokenizer": {"kind": "char"}}},
        {"about": ABOUT | {"size": "medium"}}, {"about": {}},
    ],
    ids=str,
)  # fmt: skip
def test_any_other_run_has_none(change):
    assert expected(config(**change)) is None


def test_the_experiment_writes_what_it_measured_and_keeps_the_rest(tmp_path):
    spec = importlib.util.spec_from_file_location("expected_loss", PROJECT / "experiments" / "expected_loss.py")
    experiment = importlib.util.module_from_spec(spec)
    sys.modules["expected_loss"] = experiment  # where its dataclasses look for their types
    spec.loader.exec_module(experiment)
    data, out = tmp_path / "stories.txt", tmp_path / "expected.csv"
    data.write_text((PROJECT / "training.txt").read_text()[:60_000])
    kept = "olmo,small,0,0,1.0\ngpt,small,0,7,9.0\n"
    out.write_text(",".join(FIELDS) + "\n" + kept)
    experiment.main(experiment.Options(seeds=(0,), architectures=("gpt",), steps=1, data=data, out=out))
    with out.open() as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert [row[:4] for row in rows] == [
        ("gpt", "small", "0", "0"),
        ("gpt", "small", "0", "1"),
        ("olmo", "small", "0", "0"),
    ]
    assert 6 < float(rows[0][4]) < 8  # nearly ln 2048, as it is before any step
