import dataclasses
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from odd_folders import ODD, SECRET, put
from rich.console import Console

from llm.checkpoints import RunFolder, list_runs, load_run
from llm.cli import main
from llm.cli.commands import COMMANDS
from llm.cli.signals import StopSignals
from llm.cli.terminal import TrainingView, visible
from llm.config import ModelConfig, SamplingConfig, TrainingConfig, describe
from llm.presets import preset
from llm.runtime.text import with_error
from llm.sampling import generate
from llm.tokenizers import load_tokenizer
from llm.training.evaluation import Evaluation
from llm.training.trainer import StepMetrics
from llm.world.stories import generate as generate_stories

ENGLISH = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
RUSSIAN = "".join(
    f"{word} лиса видела {count} птиц.\n" for count in range(40) for word in ("рыжая", "старая", "робкая")
)
SHAPE = {"--d-model": 16, "--n-layers": 1, "--n-heads": 2, "--n-ctx": 16}
PACE = {"--steps": 3, "--batch-size": 2, "--eval-windows": 2, "--sample-tokens": 8, "--device": "cpu"}
TINY = [str(word) for pair in (SHAPE | PACE).items() for word in pair]
LONG_AGO = "20000101000000"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    """Where neither training.txt nor checkpoints/ is found by chance."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "foxes.txt").write_text(ENGLISH)


def train(*words: str, data: str = "foxes.txt", tokenizer: str = "char", folder: str = "checkpoints") -> Path:
    """Train with these flags; the folder of the run."""
    words = ("--data", data, "--tokenizer", tokenizer, "--checkpoints-dir", folder, *words)
    assert main(["train", *TINY, *words]) == 0
    return list_runs(folder)[0].path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A finished run, to be copied before it is harmed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "foxes.txt").write_text(ENGLISH)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return folder / train(tokenizer="sentencepiece")
    finally:
        os.chdir(before)


def copied(trained: Path) -> Path:
    shutil.copytree(trained, Path("checkpoints") / trained.name)
    return Path("checkpoints") / trained.name


def said_by(capsys, words: list[str], code: int) -> str:
    """The one sentence on standard error with which these words end."""
    assert main(words) == code
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1 and sentence.startswith("llm: ") and "Traceback" not in sentence
    return sentence


def in_a_process(*words: str, **options) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # as many threads as in this process: sums that are split otherwise round otherwise
    options["env"] = options.get("env", os.environ) | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen([sys.executable, "-m", "llm.cli", *words], text=True, **(pipes | options))


@pytest.mark.parametrize("tokenizer", ["char", "bpe", "sentencepiece"])
@pytest.mark.parametrize(("architecture", "text"), [("gpt", ENGLISH), ("llama", RUSSIAN), ("olmo", ENGLISH)])
def test_a_new_text_can_be_trained_on_and_its_model_writes(architecture, text, tokenizer, capsys):
    Path("new.txt").write_text(text, encoding="utf-8")
    path = train("--architecture", architecture, data="new.txt", tokenizer=tokenizer)
    shown = capsys.readouterr()
    assert f"{architecture} small, {tokenizer} tokenizer" in shown.out and shown.err == ""
    assert "step 0 · validation loss" in shown.out and "step 3 · validation loss" in shown.out
    whole = RunFolder(path).read_metrics().rows[-1]["final_evaluation"]
    measured = with_error(whole["loss"], whole["standard_error"])
    assert f"Validation loss {measured} on all {whole['characters']:,} characters of the validation" in shown.out
    assert "\x1b" not in shown.out  # no terminal, no control codes
    assert f"uv run llm infer --checkpoint {path}" in shown.out

    prompt = text[4:9]
    words = ["--checkpoint", str(path), "--prompt", prompt, "--max-new-tokens", "9", "--temperature", "0.8"]
    assert main(["infer", *words, "--top-k", "40", "--top-p", "0.9", "--seed", "1"]) == 0
    shown = capsys.readouterr()
    sampling = SamplingConfig(max_new_tokens=9, temperature=0.8, top_k=40, top_p=0.9, seed=1)
    run = load_run(path)
    assert shown.out == generate(run.model, run.tokenizer, prompt, sampling) + "\n"
    assert shown.err == ""


def test_every_field_is_a_flag_with_its_own_help(capsys):
    for command, configs in {"train": (ModelConfig, TrainingConfig), "infer": (SamplingConfig,)}.items():
        assert main([command, "--help"]) == 0
        shown = " ".join(re.sub("[│╭╮╰╯]", " ", capsys.readouterr().out).split())
        for name, field in (item for config in configs for item in describe(config).items()):
            assert f"--{name.replace('_', '-')}" in shown
            assert field.help in shown


def test_flags_reach_the_run_and_the_rest_is_the_presets(capsys):
    words = ["--architecture", "llama", "--norm", "layernorm", "--positional", "alibi", "--bias", "--n_kv_heads", "1"]
    path = train(*words, "--optimizer", "muon", "--learning-rate", "1e-4", "--implementation", "torch", "--seed", "7")
    config = RunFolder(path).config()
    shape = {name[2:].replace("-", "_"): value for name, value in SHAPE.items()}
    changed = {"norm": "layernorm", "positional": "alibi", "bias": True, "n_kv_heads": 1}
    d_vocab = len(set(ENGLISH))
    assert config.model == preset("llama", "small", d_vocab=d_vocab, **shape, **changed)
    pace = {name[2:].replace("-", "_"): value for name, value in PACE.items()}
    assert config.training == TrainingConfig(**pace, optimizer="muon", learning_rate=1e-4, seed=7)
    assert config.raw["implementation"] == "torch"
    assert "Muon, learning_rate=0.0001\n" in capsys.readouterr().out


def test_d_vocab_is_the_size_that_the_tokenizer_aims_for():
    path = train("--d-vocab", "280", tokenizer="bpe")
    assert load_tokenizer(path).d_vocab == RunFolder(path).config().model.d_vocab == 280


BAD_TRAINING = [
    (["--data", "missing.txt"], "no file missing.txt"),
    (["--data", "."], "is a folder"),
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
        ([], "Expected one of {train, infer, runs, evaluate, reproduce, tokenize, world}"),
        (["trane"], "Unrecognized options: trane. See `uv run llm --help`"),
        (["infer"], "--checkpoint is required"),
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


@pytest.mark.parametrize(
    ("prompt", "folder"),
    [("-Yes", "-runs"), ("--seed", "my runs"), ("the 'red' fox", "caf\udce9"), ("-Yes", "caf\udce9 '\\\x07")],
)
def test_the_suggested_command_works(prompt, folder, capsys):
    Path("dashes.txt").write_text(ENGLISH + "-Yes --seed 'red'\n" * 20)
    train(f"--sample-prompt={prompt}", data="dashes.txt", folder=folder)
    command = capsys.readouterr().out.splitlines()[-1].strip()
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout
    words = [os.fsdecode(word) for word in words.split(b"\0")[:-1]]
    assert words[:4] == ["uv", "run", "llm", "infer"]
    assert main(words[3:]) == 0
    assert capsys.readouterr().out.startswith(prompt)


def test_prompts_are_read_as_files_are(capsys):
    path = train("--sample-prompt", "\ufeffthe\r\nred\rfox")
    assert RunFolder(path).config().training.sample_prompt == "the\nred\nfox"
    capsys.readouterr()
    words = ["infer", "--checkpoint", str(path), "--max-new-tokens", "4", "--temperature", "0"]
    assert main([*words, "--prompt", "\ufeffthe\r\nred"]) == 0
    marked = capsys.readouterr().out
    assert main([*words, "--prompt", "the\nred"]) == 0
    assert marked == capsys.readouterr().out


@pytest.mark.parametrize("name", ["caf\udce9.txt", "x" * 251 + ".txt", "é" * 127], ids=["Latin-1", "long", "255 bytes"])
def test_a_text_may_have_any_name(name, capsys):
    Path(name).write_text(ENGLISH)
    path = train(data=name)
    assert RunFolder(path).config().raw["text"]["name"] == name.replace("\udce9", "\\xe9")
    assert main(["runs"]) == 0 and main(["runs", "--json"]) == 0
    assert main(["world", "--size", "2000", "--output", name]) == 0
    assert Path(name).read_bytes().startswith(generate_stories(size=2000).encode()[:100])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("old", [False, True])
def test_a_run_tells_its_baselines_also_one_older_than_the_trigram(old, trained, capsys):
    path = copied(trained)
    config = json.loads((path / "config.json").read_text())
    if old:
        kept = ("uniform", "unigram", "bigram")
        config["baselines"] = {kind: config["baselines"][kind] for kind in kept}
        del config["text"]["sentences_seen_in_training"], config["text"]["test_characters"]
        (path / "config.json").write_text(json.dumps(config))
    assert main(["train", "--resume", str(path)]) == 0
    kinds = ["uniform", "unigram", "bigram"] + ["trigram"] * (not old)
    expected = ", ".join(
        f"{kind} {with_error(config['baselines'][kind], config['baselines'].get(f'{kind}_standard_error'))}"
        for kind in kinds
    )
    shown = capsys.readouterr().out
    assert f"validation loss without a network: {expected}\n" in shown
    assert ("of its sentences occur word for word in training" in shown) != old


HUGE = "9" * 400
CONFIG_FLAGS = [
    (command, name)
    for command, configs in {"train": (ModelConfig, TrainingConfig), "infer": (SamplingConfig,)}.items()
    for config in configs
    for name, field in describe(config).items()
    if field.kind in (int, float)
]


@pytest.mark.parametrize("number", [HUGE, f"-{HUGE}", HUGE * 20, f"0.{HUGE}e400"], ids=["400", "-400", "8000", "float"])
def test_a_number_of_any_length_is_one_clear_sentence(number, trained, capsys):
    flags = {
        "train": ["--data", "foxes.txt", "--tokenizer", "bpe"],
        "infer": ["--checkpoint", str(copied(trained))],
        "tokenize": ["--data", "foxes.txt", "--text", "fox"],
        "world": [],
    }
    names = [*CONFIG_FLAGS, ("infer", "step"), ("tokenize", "d_vocab"), ("world", "seed"), ("world", "size")]
    for command, name in names:
        sentence = said_by(capsys, [command, *flags[command], f"--{name.replace('_', '-')}", number], 2)
        assert name in sentence.replace("-", "_") and len(sentence) < 250, sentence


def test_several_processes_are_refused(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "2 processes were started" in said_by(capsys, ["train", "--data", "foxes.txt"], 2)


def test_a_run_in_another_process_is_not_resumed(capsys):
    training = in_a_process("train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, "--steps", "100000")
    assert any(line.startswith("step 0 ") for line in training.stdout)
    (run,) = list_runs()
    assert run.state == "running"
    sentence = said_by(capsys, ["train", "--resume", run.id], 2)
    assert f"is being trained in another process (pid {training.pid}): stop it there" in sentence
    assert main(["infer", "--checkpoint", run.id, "--max-new-tokens", "2"]) == 0  # reading is allowed
    training.kill()
    training.communicate()
    assert list_runs()[0].state == "interrupted"


def test_a_finished_run_has_nothing_to_resume(trained, capsys):
    path = copied(trained)
    assert main(["train", "--resume", path.name]) == 0  # an id will do
    assert "Finished: all 3 steps are done" in capsys.readouterr().out


def test_divergence_is_explained(capsys):
    words = ["--learning-rate", "1e35", "--steps", "30", "--warmup", "0", "--sample-tokens", "0"]
    sentence = said_by(capsys, ["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, *words], 1)
    assert "Training diverged in step" in sentence
    assert list_runs()[0].state == "failed"


@pytest.mark.parametrize("sample_tokens", ["0", "8"])
def test_divergence_first_seen_at_an_evaluation_is_explained(sample_tokens, capsys):
    words = ["--learning-rate", "1e20", "--eval-every", "1", "--steps", "5", "--sample-tokens", sample_tokens]
    sentence = said_by(capsys, ["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, *words], 1)
    assert "Training diverged in step 1" in sentence and "Try a third of the learning rate" in sentence
    assert list_runs()[0].state == "failed"


SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)]
SIGNALS += [(signal.SIGUSR1, 138), (signal.SIGUSR2, 140), (signal.SIGALRM, 142), (signal.SIGXCPU, 152)]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_stops_after_the_step_with_a_snapshot(number, code, monkeypatch, capsys):
    monkeypatch.setattr(TrainingView, "step", lambda _, metrics: metrics.step == 3 and signal.raise_signal(number))
    handlers = signal.getsignal(number)
    assert main(["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, "--steps", "60"]) == code
    run = list_runs()[0]
    assert (run.state, run.step, RunFolder(run.path).snapshots()[-1]) == ("stopped", 3, 3)
    assert f"uv run llm train --resume {run.path}" in capsys.readouterr().out
    assert signal.getsignal(number) == handlers


@pytest.mark.parametrize("package", ["tyro", "torch"])
def test_ctrl_c_while_packages_are_imported_is_quiet(package):
    code = f"""if True:
        import runpy, signal, sys
        class Interrupted:
            def find_spec(self, name, path=None, target=None):
                if name == {package!r}:
                    try:
                        signal.raise_signal(signal.SIGINT)
                    except BaseException:  # as numpy and torch do in places
                        raise ImportError("half imported") from None
        sys.meta_path.insert(0, Interrupted())
        sys.argv = ["llm", "train", "--data", "foxes.txt"]
        runpy.run_module("llm.cli", run_name="__main__")
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_ctrl_c_and_resume_end_with_the_weights_of_a_run_that_was_left_alone():
    words = ["--data", "foxes.txt", "--tokenizer", "char", *TINY, "--steps", "120", "--dropout", "0.1"]
    words += ["--eval-every", "20", "--sample-tokens", "0"]
    process = in_a_process("train", *words, "--checkpoints-dir", "stopped")
    assert any(line.startswith("step 20 ") for line in process.stdout)
    process.send_signal(signal.SIGINT)
    shown, errors = process.communicate()
    assert (process.returncode, errors) == (130, "")
    (run,) = list_runs("stopped")
    assert run.state == "stopped" and 20 <= run.step < 120
    assert f"uv run llm train --resume {run.path}" in shown

    assert main(["train", "--resume", str(run.path)]) == 0
    assert main(["train", *words, "--checkpoints-dir", "alone"]) == 0
    (alone,) = list_runs("alone")
    resumed, undisturbed = (safetensors.torch.load_file(r.path / "final_model.safetensors") for r in (run, alone))
    assert resumed.keys() == undisturbed.keys()
    assert all(torch.equal(resumed[name], undisturbed[name]) for name in resumed)


def test_a_closed_terminal_keeps_a_snapshot():
    ours, theirs = os.openpty()
    words = ["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, "--steps", "100000"]
    command = [sys.executable, "-m", "llm.cli", *words]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        shown = b""
        while b"validation" not in shown:
            shown += os.read(ours, 10_000)
        os.close(ours)  # what is printed now fails
        process.send_signal(signal.SIGHUP)
        assert process.wait() == 129
    (run,) = list_runs()
    assert run.state == "stopped" and RunFolder(run.path).snapshots()[-1] == run.step


def test_nohup_outlives_its_terminal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert stop.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_ends_at_once():
    code = (
        "import signal; from llm.cli.signals import StopSignals\n"
        "with StopSignals() as stop:\n"
        "    signal.raise_signal(2); print(stop.received, flush=True); signal.raise_signal(2); print('never')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "2\n", "")


def test_a_closed_pipe_ends_quietly(trained):
    process = in_a_process("infer", "--checkpoint", str(trained), "--max-new-tokens", "100000")
    assert process.stdout.read(5)
    process.stdout.close()
    assert process.wait() == 141
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("closed_at", [None, 2])
def test_training_into_a_closed_pipe_keeps_its_steps(closed_at, monkeypatch, capsys):
    reader, writer = os.pipe()
    show = TrainingView.step
    monkeypatch.setattr(
        TrainingView, "step", lambda view, m: (m.step == closed_at and os.close(reader)) or show(view, m)
    )
    if closed_at is None:
        os.close(reader)
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main(["train", "--data", "foxes.txt", *TINY, "--tokenizer", "char", "--eval-every", "1"]) == 141
    assert capsys.readouterr().err == ""
    assert (list_runs()[0].state, list_runs()[0].step) == ("stopped", closed_at or 0)


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


def test_runs_lists_what_there_is(trained, capsys):
    assert main(["runs"]) == 0
    assert "uv run llm train" in capsys.readouterr().out
    copied(trained)
    damaged = Path("checkpoints", LONG_AGO)
    damaged.mkdir()
    (damaged / "config.json").write_text("{")
    assert main(["runs"]) == 0
    table = capsys.readouterr().out
    for cell in (trained.name, "gpt small", "foxes.txt", "sentencepiece", "finished", "3/3", LONG_AGO, "damaged"):
        assert cell in table

    assert main(["runs", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == [trained.name, LONG_AGO]
    assert rows[0].keys() == {field.name for field in dataclasses.fields(list_runs()[0])}
    assert (rows[0]["step"], rows[0]["steps"], rows[0]["tokenizer"]) == (3, 3, "sentencepiece")


def test_tokenize_shows_ids_and_pieces(trained, capsys, monkeypatch):
    assert (
        main(["tokenize", "--data", "foxes.txt", "--tokenizer", "bpe", "--d-vocab", "280", "--text", "the fox\n"]) == 0
    )
    shown = capsys.readouterr().out.splitlines()
    pieces = [json.loads(line.split(maxsplit=1)[1]) for line in shown[1:]]
    assert shown[0] == f"{len(pieces)} tokens for 8 characters (bpe, d_vocab=280)"
    assert "".join(pieces) == "the fox\n"

    tokenizer = load_tokenizer(trained)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"old fox\n")))
    assert main(["tokenize", "--checkpoint", str(trained), "--text", "-"]) == 0
    ids = [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()[1:]]
    assert tokenizer.decode(ids) == "old fox\n"

    for shape in ("\ufeffold\r\nfox\r", "old\nfox\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(shape.encode())))
        for text in ("-", shape):
            assert main(["tokenize", "--checkpoint", str(trained), "--text", text]) == 0
            ids = [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()[1:]]
            assert tokenizer.decode(ids) == "old\nfox\n"

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("old".encode("utf-16-le"))))
    refused = said_by(capsys, ["tokenize", "--data", "foxes.txt", "--text", "-"], 2)
    assert "Standard input is not UTF-8 text but UTF-16" in refused
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"old \xff")))
    assert "Standard input is not UTF-8" in said_by(capsys, ["tokenize", "--data", "foxes.txt", "--text", "-"], 2)


def test_world_writes_the_same_stories_to_a_file_or_to_standard_output(capsys):
    assert main(["world", "--seed", "3", "--size", "2000"]) == 0
    assert capsys.readouterr().out == generate_stories(3, 2000)
    assert main(["world", "--seed", "3", "--size", "2000", "--output", "stories.txt"]) == 0
    assert Path("stories.txt").read_bytes() == generate_stories(3, 2000).encode()
    assert capsys.readouterr().out == ""


def test_every_command_has_help(capsys):
    for command in COMMANDS:
        assert main([command, "--help"]) == 0
        assert f"usage: llm {command}" in capsys.readouterr().out


@given(st.text(st.characters()))
def test_nothing_that_a_terminal_obeys_stays_in_visible_text(text):
    shown = visible(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    shown.encode()
    assert visible(shown) == shown
    if text.isprintable():
        assert shown == text


def test_on_a_terminal_a_bar_runs_and_samples_are_plain_text(trained):
    from llm.training.setup import resume_run

    screen = Console(file=io.StringIO(), force_terminal=True, width=100, highlight=False, markup=False)
    evaluation = Evaluation(2.5, 0.125, 12.18, 0.25, 0.01, 3.1, 0.02, 2, 32, 90)
    sample = "[red]fox[/red] \x1b[31m\x07 :smile:\nnext"
    metrics = StepMetrics(2, 64, 2.7, 1e-3, 1.0, {}, 1234.5, 1.0, 2.0, evaluation, sample)
    with TrainingView(resume_run(copied(trained)), screen) as view:
        view.step(dataclasses.replace(metrics, step=1, elapsed=1.0, evaluation=None))
        view.step(metrics)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.file.getvalue())
    assert (
        "step 2 · validation loss 2.500 ± 0.125 · perplexity 12.2 · accuracy 25.0 % · 3.10 bits per character" in shown
    )
    assert "│ [red]fox[/red] \\x1b[31m\\x07 :smile:" in shown and "\x07" not in shown
    assert "step 2/3" in shown and "loss 2.700" in shown and "1,234 tokens/s" in shown and "0:01 left" in shown
