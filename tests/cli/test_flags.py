"""Flags: their help, and values that look like flags."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest
from command_line import said_by

from llm.cli import main
from llm.cli.commands import COMMANDS
from llm.config import ModelConfig, SamplingConfig, TrainingConfig, describe


def test_every_field_is_a_flag_with_its_own_help(capsys):
    for command, configs in {"train": (ModelConfig, TrainingConfig), "infer": (SamplingConfig,)}.items():
        assert main([command, "--help"]) == 0
        shown = " ".join(re.sub("[│╭╮╰╯]", " ", capsys.readouterr().out).split())
        for name, field in (item for config in configs for item in describe(config).items()):
            assert f"--{name.replace('_', '-')}" in shown
            assert field.help in shown


@pytest.mark.parametrize("value", ["-Yes", "--", "--yes, she said", "-1", "-h y", "--prompts", "it's -ok", "=-x"])
def test_a_value_may_begin_with_a_dash(value, capsys):
    for words in (["--text", value], [f"--text={value}"], ["--text", "old", "--text", value]):
        assert main(["tokenize", "--data", "foxes.txt", *words]) == 0
        pieces = [json.loads(line.split(maxsplit=1)[1]) for line in capsys.readouterr().out.splitlines()[1:]]
        assert "".join(pieces) == value


@pytest.mark.parametrize(
    ("words", "stops"),
    [
        (["-a"], ("-a",)),
        (["--a", "-b", "c"], ("--a", "-b", "c")),
        (["a", "-b", "--seed=3"], ("a", "-b")),
        (["-a", "--top-k", "3"], ("-a",)),
    ],
)
def test_each_of_several_values_may_begin_with_a_dash(words, stops, monkeypatch):
    seen = []
    monkeypatch.setitem(COMMANDS, "infer", dataclasses.replace(COMMANDS["infer"], run=lambda flags: seen.append(flags)))
    main(["infer", "--stop", *words])
    assert seen[0]["stop"] == stops and {"stop"} <= seen[0].keys() <= {"stop", "top_k", "seed"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--prompt", "--seed", "3"], "--prompt"),
        (["--stop", ".", "--temprature", "1"], "--temprature, 1 (did you mean --temperature?)"),
        (["--seed", "-many"], "--seed must be an integer, got '-many'"),
        (["--prompt", "-a", "-b"], "Unrecognized options: -b"),
    ],
)
def test_a_flag_is_not_taken_for_a_value(words, sentence, capsys):
    assert sentence in said_by(capsys, ["infer", "--checkpoint", "x", *words], 2)


def test_no_torch_before_it_is_needed():
    commands = [["--help"], ["train", "--help"], ["train", "--steps", "0"], ["infer"], ["world", "--size", "2000"]]
    code = (
        "import sys; from llm.cli import main\n"
        f"for words in {commands!r}:\n"
        "    main(words)\n"
        "    if 'torch' in sys.modules: sys.exit(f'torch was imported by llm {words}')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_every_command_has_help(capsys):
    for command in COMMANDS:
        assert main([command, "--help"]) == 0
        assert f"usage: llm {command}" in capsys.readouterr().out
