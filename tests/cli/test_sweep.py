"""`llm sweep`: every combination, a table, and the same again without training twice."""

import json
import shlex

import pytest
from command_line import TINY, said_by

from llm.checkpoints import RunFolder, list_runs
from llm.cli import main
from llm.training.divergence import TrainingDiverged
from llm.training.trainer import Trainer

WORDS = ["--data", "foxes.txt", "--tokenizer", "char", *TINY]
SETS = ["--set", "architecture=gpt,llama", "--set", "seed=0,1"]


def test_a_sweep_prints_means_over_seeds_and_trains_nothing_twice(capsys, monkeypatch):
    assert main(["sweep", *SETS, *WORDS]) == 0
    shown = capsys.readouterr().out
    assert "Run 3 of 4: architecture=llama, seed=0\n" in shown
    header, *rows = shown.splitlines()[-3:]
    assert header.split() == ["architecture", "finished", "validation", "loss", "bits", "per", "character"]
    assert [row.split()[:4] for row in rows] == [["gpt", "2", "of", "2"], ["llama", "2", "of", "2"]]
    assert sum("best" in row for row in rows) == 1 and all(row.count("±") == 2 for row in rows)
    assert len(list_runs()) == 4

    monkeypatch.setattr(Trainer, "__next__", None)
    assert main(["sweep", *SETS, *WORDS, "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["combination"]["seed"] for one in found] == [0, 1, 0, 1]
    assert {one["run"] for one in found} == {run.id for run in list_runs()}


def test_the_commands_of_a_sweep_train_its_runs(capsys):
    sets = ["--set", "bias=true,false", "learning_rate=none,1e-3", "--set", "data=foxes.txt"]
    words = [word for word in WORDS if word not in ("--data", "foxes.txt")]
    assert main(["sweep", *sets, *words, "--list-commands"]) == 0
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert len(commands) == 4 and all(command[:4] == ["uv", "run", "llm", "train"] for command in commands)
    assert list_runs() == []
    for command in commands:
        assert main(command[3:]) == 0
    assert {RunFolder(run.path).config().model.bias for run in list_runs()} == {True, False}
    capsys.readouterr()
    assert main(["sweep", *sets, *words, "--json"]) == 0
    assert len(list_runs()) == 4  # the sweep finds them


def test_a_combination_that_diverges_fails_alone(capsys, monkeypatch):
    take_step = Trainer.__next__

    def diverging(trainer):
        if trainer.config.seed == 0:
            trainer._writer.fail(trainer, "diverged")
            raise TrainingDiverged("Training diverged in step 1")
        return take_step(trainer)

    monkeypatch.setattr(Trainer, "__next__", diverging)
    assert main(["sweep", "--set", "seed=0,1", *WORDS]) == 1
    shown = capsys.readouterr()
    assert shown.err == "llm: Training diverged in step 1\n"
    assert "1 of 2" in shown.out.splitlines()[-1]


REFUSED = [
    ([], "--set is required: a setting and the values to try"),
    (["--set", "seed"], "--set takes a setting and its values, as in --set seed=0,1,2, got 'seed'"),
    (["--set", "sed=1"], "sed is not a setting of a run (did you mean seed?)"),
    (["--set", "seed=0,x"], "seed must be an integer, got 'x'"),
    (["--set", "seed="], "seed has no values to try"),
    (["--set", "bias=maybe"], "bias must be true or false, got 'maybe'"),
    (["--set", "seed=0", "--seed", "1"], "seed is given twice"),
    (["--set", "norm_eps=1,-1"], "norm_eps=-1.0: norm_eps must be above 0"),
    (["--set", "architecture=gpd"], "'gpd'"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED, ids=[" ".join(case[0]) for case in REFUSED])
def test_what_cannot_be_tried_is_one_clear_sentence(words, sentence, capsys):
    assert sentence in said_by(capsys, ["sweep", *words, *WORDS], 2)
    assert list_runs() == []
