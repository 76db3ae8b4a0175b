"""What cannot work is refused in one clear sentence, and leaves nothing behind."""

import itertools
import json
from pathlib import Path

import pytest
import torch
from command_line import TINY, copied, said_by
from odd_folders import ODD, SECRET, put

from llm.cli.commands import COMMANDS
from llm.config import ModelConfig, SamplingConfig, TrainingConfig, describe

BAD_TRAINING = [
    (["--data", "missing.txt"], "no file missing.txt"),
    (["--data", "."], "is a folder"),
    (["--data", "/dev/zero"], "/dev/zero is a device"),
    (["--data", "empty.txt"], "is empty"),
    (["--data", "latin.txt"], "not UTF-8"),
    (["--n-ctx", "4000"], "too short"),
    (["--architecture", "gpd"], "'gpd'"),
    (["--size", "tiny"], "'tiny'"),
    (["--tokenizer", "word"], "'word'"),
    (["--learning-rte", "1"], "--learning-rte, 1 (did you mean --learning-rate?)"),
    (["--steps", "many"], "--steps must be an integer, got 'many'"),
    (["--steps"], "--steps"),
    (["--steps", "0"], "steps must be at least 1, got 0"),
    (["--steps", "-3"], "steps must be at least 1, got -3"),
    (["--steps", "9" * 400], f"--steps must be below 2^63, got '{'9' * 40}… (400 characters)'"),
    (["--steps", "-" + "9" * 5000], f"--steps must be below 2^63, got '-{'9' * 39}… (5,001 characters)'"),
    ([f"--learning-rate={'9' * 400}"], f"--learning-rate must be below 1.8e+308, got '{'9' * 40}… (400 characters)'"),
    (["--size", "9" * 400], f"invalid choice '{'9' * 40}… (400 characters)'"),
    (["--" + "9" * 400], f"--{'9' * 38}… (402 characters)"),
    (["--dropout", "1.5"], "dropout must be in [0, 1), got 1.5"),
    (["--learning-rate", "nan"], "learning_rate must be a finite number, got nan"),
    (["--n-kv-heads", "3"], "n_kv_heads must be a divisor of n_heads=2, got 3"),
    (["--positional", "rope", "--d-head", "3"], "d_head must be even with positional='rope'"),
    (["--warmup", "0.9"], "decay must be at most 1 − warmup = 0.1, got 0.8"),
    (["--d-vocab", "300"], "d_vocab must be left out with the char tokenizer, got 300"),
    (["--tokenizer", "bpe", "--d-vocab", "3"], "d_vocab must be 256 or more with bpe"),
    (["--sample-prompt", "жук"], "does not know 'ж'"),
    (["--precision", "float16"], "float16"),
    (["--d-model", "2000000", "--n-layers", "1000"], "GB of memory"),
    (["--checkpoints-dir", "foxes.txt"], "foxes.txt: File exists"),
    (["--checkpoints-dir", "foxes.txt/runs"], "foxes.txt/runs: Not a directory"),
    (["--resume", "checkpoints/20000101000000"], "cannot be combined with --data, --tokenizer, --d-model"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD_TRAINING, ids=lambda value: " ".join(value)[:40])
def test_invalid_training_flags_are_one_clear_sentence_and_leave_nothing(words, sentence, capsys):
    Path("empty.txt").write_text(" \n")
    Path("latin.txt").write_bytes("caf\xe9 ".encode("latin-1") * 100)
    before = sorted(Path().rglob("*"))
    assert sentence in said_by(capsys, ["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, *words], 2)
    left = sorted(path for path in Path().rglob("*") if path != Path("checkpoints"))
    assert left == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="it compiles for the GPU")
def test_compiling_without_a_compiler_is_refused_before_a_folder_is_made(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    sentence = said_by(capsys, ["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, "--compile"], 2)
    assert sentence.startswith("llm: compile=True is not possible on this machine") and "g++" in sentence
    assert not Path("checkpoints").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the test expects to lack")
@pytest.mark.parametrize("command", [["train", "--data", "foxes.txt"], ["infer", "--checkpoint", "RUN"]])
def test_a_missing_device_is_named(command, trained, capsys):
    path = copied(trained)
    words = [str(path) if word == "RUN" else word for word in command]
    assert "device='cuda' is not possible" in said_by(capsys, [*words, "--device", "cuda"], 2)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--checkpoint", "nowhere"], "nowhere is not a run folder"),
        (["--step", "77"], "no weights of step 77: its snapshots are 0, 1, 2, 3"),
        (["--prompt", "жук"], "does not know"),
        (["--temperature", "-1"], "temperature must be at least 0, got -1.0"),
        (["--top-k", "0"], "top_k must be at least 1, or None, got 0"),
        (["--top-p", "much"], "--top-p must be a number, got 'much'"),
        (["--device", "tpu"], "'tpu'"),
    ],
)
def test_what_cannot_be_generated_is_one_clear_sentence(words, sentence, trained, capsys):
    assert sentence in said_by(capsys, ["infer", "--checkpoint", str(copied(trained)), *words], 2)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Expected one of {" + ", ".join(COMMANDS) + "}"),
        (["trane"], "Unrecognized options: trane. See `uv run llm --help`"),
        (["infer"], "--checkpoint is required"),
        (["infer", "--checkpoint", "x", "--choose", "12:a"], "--choose must be POSITION:TOKEN"),
        (["tokenize"], "--text is required"),
        (["tokenize", "--text", "x", "--checkpoint", "RUN", "--data", "foxes.txt"], "cannot be combined with --data"),
        (["tokenize", "--text", "x"], "no file training.txt"),
        (["world", "--size", "0"], "size must be at least 1 byte, got 0"),
        (
            ["world", "--output", "nowhere/text.txt"],
            "output must be a file in a folder that exists, got 'nowhere/text.txt'",
        ),
    ],
)
def test_an_invalid_command_line_is_one_clear_sentence(words, sentence, capsys):
    assert sentence in said_by(capsys, words, 2)


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind != "a folder"])
def test_an_output_replaces_regular_files_only(kind, tmp_path, capsys):
    outside, output = tmp_path / "outside", tmp_path / "output"
    outside.write_bytes(SECRET)
    put(kind, output, outside)
    before = output.lstat()
    assert "output must be a new file or a regular one" in said_by(capsys, ["world", "--output", str(output)], 2)
    assert output.lstat().st_ino == before.st_ino
    assert outside.read_bytes() == SECRET


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\x00garbage" * 9])
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer.model", "final_model.safetensors"])
def test_a_damaged_checkpoint_is_reported_with_its_file(file, damage, trained, capsys):
    path = copied(trained)
    (path / file).write_bytes(damage)
    assert file in said_by(capsys, ["infer", "--checkpoint", str(path)], 2)


@pytest.mark.parametrize("file", ["text.txt", "step_000003/trainer.pt", "step_000003/model.safetensors"])
def test_a_damaged_run_cannot_be_resumed(file, trained, capsys):
    path = copied(trained)
    (path / file).write_bytes(b"\xff\x00garbage")
    assert file in said_by(capsys, ["train", "--resume", str(path)], 2)


@pytest.mark.parametrize("lacking", ["implementation", "text", "baselines", "trainer"])
def test_a_run_whose_files_lack_something_cannot_be_resumed(lacking, trained, capsys):
    path = copied(trained)
    if lacking == "trainer":
        torch.save({"step": 3}, path / "step_000003/trainer.pt")
    else:
        config = json.loads((path / "config.json").read_text())
        del config[lacking]
        (path / "config.json").write_text(json.dumps(config))
    assert "damaged" in said_by(capsys, ["train", "--resume", str(path)], 2)


HUGE = "9" * 400
NUMBERS = [HUGE, f"-{HUGE}", HUGE * 20, f"0.{HUGE}e400"]
CONFIG_FLAGS = [
    (command, name)
    for command, configs in {"train": (ModelConfig, TrainingConfig), "infer": (SamplingConfig,)}.items()
    for config in configs
    for name, field in describe(config).items()
    if field.kind in (int, float)
]


def test_a_number_of_any_length_is_one_clear_sentence(trained, capsys):
    """Each flag with one of the numbers: how a number is read depends on the kind of the flag alone."""
    flags = {
        "train": ["--data", "foxes.txt", "--tokenizer", "bpe"],
        "infer": ["--checkpoint", str(copied(trained))],
        "tokenize": ["--data", "foxes.txt", "--text", "fox"],
        "world": [],
    }
    names = [*CONFIG_FLAGS, ("infer", "step"), ("tokenize", "d_vocab"), ("world", "seed"), ("world", "size")]
    for (command, name), number in zip(names, itertools.cycle(NUMBERS), strict=False):
        sentence = said_by(capsys, [command, *flags[command], f"--{name.replace('_', '-')}", number], 2)
        assert name in sentence.replace("-", "_") and len(sentence) < 250, sentence


def test_several_processes_that_torchrun_has_not_started_are_refused(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    sentence = said_by(capsys, ["train", "--data", "foxes.txt"], 2)
    assert "WORLD_SIZE=2 says that several processes were started, but RANK is not set" in sentence
