"""`llm train`: any text, flags that reach the run, and what is said of a run."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import ENGLISH, PACE, RUSSIAN, SHAPE, TINY, copied, said_by, train

from llm.checkpoints import RunFolder, list_runs, load_run
from llm.cli import main
from llm.config import SamplingConfig, TrainingConfig
from llm.presets import preset
from llm.runtime.text import with_error
from llm.sampling import generate, stream
from llm.tokenizers import load_tokenizer
from llm.world.stories import generate as generate_stories


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
    assert main(["infer", *words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    again = stream(run.model, run.tokenizer, prompt, SamplingConfig(**record["sampling"]))
    assert record["tokens"] == [json.loads(json.dumps(token.as_json())) for token in again]


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
    assert "Muon, muon_learning_rate=0.02, learning_rate=0.0001\n" in capsys.readouterr().out


def test_d_vocab_is_the_size_that_the_tokenizer_aims_for():
    path = train("--d-vocab", "280", tokenizer="bpe")
    assert load_tokenizer(path).d_vocab == RunFolder(path).config().model.d_vocab == 280


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


def test_a_finished_run_has_nothing_to_resume(trained, capsys):
    path = copied(trained)
    assert main(["train", "--resume", path.name]) == 0  # an id will do
    assert "Finished: all 3 steps are done" in capsys.readouterr().out


def test_divergence_is_explained(capsys):
    words = ["--learning-rate", "1e35", "--steps", "30", "--warmup", "0", "--sample-tokens", "0"]
    sentence = said_by(capsys, ["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, *words], 1)
    assert "Training diverged in step" in sentence
    assert "at muon_learning_rate 0.02 and learning_rate 1e+35." in sentence
    assert list_runs()[0].state == "failed"


@pytest.mark.parametrize("sample_tokens", ["0", "8"])
def test_divergence_first_seen_at_an_evaluation_is_explained(sample_tokens, capsys):
    words = ["--learning-rate", "1e20", "--eval-every", "1", "--steps", "5", "--sample-tokens", sample_tokens]
    sentence = said_by(capsys, ["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, *words], 1)
    assert "Training diverged in step 1" in sentence and "Try a third of each learning rate" in sentence
    assert list_runs()[0].state == "failed"


def test_several_files_are_documents_of_a_token_cache_that_is_made_again_when_it_is_gone(capsys):
    Path("other.txt").write_text(ENGLISH.replace("fox", "hen"))
    path = train("--data", "foxes.txt", "other.txt")
    shown = capsys.readouterr().out
    assert "foxes.txt and 1 more file: " in shown
    assert "large text Validation and test are measured on the first 500,000 characters of their parts" in shown
    assert not (path / "text.txt").exists()
    [cache] = Path("checkpoints/tokens").glob("*/cache.json")
    assert main(["evaluate", str(path), "--part", "test"]) == 0
    shown = capsys.readouterr().out
    assert "on the beginning of its test part: " in shown and "baselines count the first 1,000,000 tr" in shown
    before = (cache.parent / "train.tokens").read_bytes()
    shutil.rmtree(cache.parent)
    assert f"{cache.parent} is gone" in said_by(capsys, ["evaluate", str(path)], 2)
    assert main(["train", "--resume", str(path)]) == 0
    assert (cache.parent / "train.tokens").read_bytes() == before
    shutil.rmtree(cache.parent)
    Path("other.txt").write_text("another text\n" * 200)
    assert f"{Path('other.txt').resolve()} changed since" in said_by(capsys, ["train", "--resume", str(path)], 2)


def test_a_large_file_is_not_kept_in_the_run_folder(monkeypatch):
    monkeypatch.setattr("llm.training.settings.LARGE_BYTES", 1000)
    path = train()
    assert not (path / "text.txt").exists() and RunFolder(path).config().raw["text"]["name"] == "foxes.txt"
