"""A run's label says what differs from its preset, and no two labels of a list are equal."""

import dataclasses
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_folders import copy_run, new_run

from llm.config import TrainingConfig
from llm.presets import preset
from llm.runs.config import RunConfig
from llm.runs.labels import model_name
from llm.runs.listing import RunSummary, labelled, list_runs
from llm.runs.notes import RunNotes


def name(model=None, training=None, **about):
    """The name of a small llama with these changes."""
    config = preset("llama", d_vocab=65, **(model or {}))
    settings = TrainingConfig(**({"steps": 100} | (training or {})))
    return model_name(RunConfig(config, settings.for_model(config), {"architecture": "llama", "size": "small"} | about))


@pytest.mark.parametrize(
    ("model", "training", "expected"),
    [
        ({}, {}, "llama small"),
        ({"positional": "alibi"}, {}, "llama small + alibi"),
        ({"positional": "none"}, {}, "llama small + positional none"),
        ({"n_layers": 2, "bias": True, "dropout": 0.1}, {}, "llama small + n_layers 2 + bias + dropout 0.1"),
        ({"n_layers": 2, "positional": "alibi", "activation": "gelu", "norm": "layernorm"}, {},
         "llama small + layernorm + alibi + gelu + 1 more"),
        ({"activation": "gelu_tanh"}, {}, "llama small + gelu_tanh"),
        ({"norm_position": "post"}, {"seed": 1}, "llama small + norm_position post + seed 1"),
        ({}, {"optimizer": "adamw", "schedule": "constant"}, "llama small + optimizer adamw + schedule constant"),
        ({}, {"learning_rate": 0.0005}, "llama small + learning_rate 0.0005"),
        ({}, {"device": "cpu", "eval_every": 2, "sample_prompt": "<b>", "max_disk_mb": 1}, "llama small"),
        ({"d_model": 64, "qk_norm": True}, {"beta2": 0.95, "seed": 3}, "llama small + d_model 64 + qk_norm + beta2 0.95"
         " + 1 more"),  # the seed, but no d_head and d_mlp: they follow from d_model
        ({"d_model": 64, "d_mlp": 100}, {}, "llama small + d_model 64 + d_mlp 100"),
    ],
)  # fmt: skip
def test_a_run_is_named_by_what_differs_from_its_preset(model, training, expected):
    assert name(model, training) == expected


def test_a_bias_that_is_off_is_named():
    config = preset("gpt", d_vocab=65, bias=False)
    about = {"architecture": "gpt", "size": "small"}
    assert model_name(RunConfig(config, TrainingConfig().for_model(config), about)) == "gpt small + no bias"


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"architecture": None, "size": None}, "custom"),
        ({"size": None}, "llama"),
        ({"architecture": "mamba"}, "mamba small"),  # of another version
        ({"architecture": "a\n" * 100}, "a " * 19 + " … small"),
    ],
)
def test_a_run_that_names_no_preset_has_no_differences(about, expected):
    assert name({"n_layers": 2}, **about) == expected


def test_runs_of_one_minute_show_the_second(tmp_path):
    folder = new_run(tmp_path)
    folder.write_status("stopped", "", 0)
    times = ("20260131120503", "20260131120507", "20260131120600")
    others = copy_run(folder, 2)
    for old, new in zip((folder.id, *others), times, strict=True):
        (tmp_path / old).rename(tmp_path / new)
    ends = [run.label.rsplit(" · ", 1)[1] for run in list_runs(tmp_path)]
    assert ends == ["31 Jan 12:06", "31 Jan 2026 12:05:07", "31 Jan 2026 12:05:03"]


moments = st.none() | st.sampled_from([datetime(2026, 1, 31, 12, 5), datetime(2026, 1, 31, 12, 5, 1)])
names = st.sampled_from(["", "mine", "mine · llama small", "20260131120500"])
problems = st.none() | st.sampled_from(["config.json is damaged", "llama small"])


@given(st.lists(st.tuples(moments, names, problems), max_size=8))
def test_no_two_labels_are_equal(parts):
    config = preset("llama", d_vocab=65)
    intact = RunConfig(config, TrainingConfig().for_model(config), {})
    runs = [
        RunSummary(
            f"{number:014}", Path(), "stopped", 0, config=None if problem else intact,
            model=None if problem else "llama",
            notes=RunNotes(name=name), created=created, problem=problem,
        )
        for number, (created, name, problem) in enumerate(parts)
    ]  # fmt: skip
    labels = [run.label for run in labelled(runs)]
    assert len(set(labels)) == len(labels)
    assert [dataclasses.replace(run, label="") for run in labelled(runs)] == runs


def test_a_given_name_stands_first(tmp_path):
    folder = new_run(tmp_path)
    folder.write_notes(RunNotes(name="  My first\n run ", tags=("good",)))
    [run] = list_runs(tmp_path)
    assert run.label.startswith("My first run · llama small + ")
    assert (run.title, run.notes.tags) == ("My first run", ("good",))
    (folder.path / "config.json").write_text("{")
    [run] = list_runs(tmp_path)
    assert run.label.startswith(f"My first run · {folder.id} · ") and run.title == "My first run"
