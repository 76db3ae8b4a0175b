"""What `llm runs`, `tokenize` and `world` print, and how a terminal shows a training."""

import dataclasses
import io
import json
import re
import sys
from pathlib import Path

from command_line import LONG_AGO, copied, said_by
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import llm
from llm.checkpoints import RunFolder, RunNotes
from llm.cli import main
from llm.cli.terminal import TrainingView, visible
from llm.tokenizers import load_tokenizer
from llm.training.evaluation import Evaluation
from llm.training.trainer import StepMetrics
from llm.world.stories import generate as generate_stories


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
    assert rows[0].keys() == set(llm.runs_table())
    assert (rows[0]["step"], rows[0]["steps"], rows[0]["tokenizer"]) == (3, 3, "sentencepiece")


def test_runs_shows_the_columns_that_are_asked_for(trained, capsys):
    copied(trained)
    assert main(["runs", "--columns", "model.n_layers", "evaluation.accuracy", "state"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "model.n_layers", "evaluation.accuracy", "state"]
    assert line.split()[:2] == [trained.name, "1"] and line.split()[3] == "finished"
    assert main(["runs", "--json", "--columns", "training.seed"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": trained.name, "training.seed": 0}
    refused = said_by(capsys, ["runs", "--columns", "seed"], 2)
    assert "no run has a column 'seed'; did you mean training.seed?" in refused


def test_a_run_is_named_deleted_and_restored(trained, capsys):
    path = copied(trained)
    written = ["--name", "a \x1b[31mname", "--note", "why", "--tags", "good", "old"]
    assert main(["runs", "--edit", trained.name, *written]) == 0
    assert main(["runs", "--edit", str(path), "--note", "because"]) == 0
    assert RunFolder(path).notes() == RunNotes("a [31mname", "because", ("good", "old"))
    assert main(["runs"]) == 0
    assert "a [31mname · gpt small" in capsys.readouterr().out
    assert main(["runs", "--edit", trained.name, "--name", "", "--tags", ""]) == 0
    assert RunFolder(path).notes() == RunNotes(note="because")
    assert "--name must be used with --edit" in said_by(capsys, ["runs", "--name", "x"], 2)
    assert "--edit needs what to write" in said_by(capsys, ["runs", "--edit", trained.name], 2)
    assert "at most 80 characters, got 99" in said_by(capsys, ["runs", "--edit", trained.name, "--name", "x" * 99], 2)
    capsys.readouterr()

    assert main(["runs", "--delete", trained.name]) == 0
    undo = capsys.readouterr().out.splitlines()[-1].split("uv run llm ")[1].split()
    assert main(["runs"]) == 0 and "There are no runs" in capsys.readouterr().out
    assert main(["runs", "--deleted", "--json", "--columns", "state"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": trained.name, "state": "finished"}
    assert main(undo) == 0 and path.exists()
    assert "--delete cannot be combined with --json" in said_by(capsys, ["runs", "--delete", "x", "--json"], 2)
    assert "is not a run folder" in said_by(capsys, ["runs", "--delete", "nothing"], 2)
    assert "there is no deleted run" in said_by(capsys, ["runs", "--restore", "../x"], 2)
    assert main(["runs", "--delete", trained.name]) == 0 and main(["runs", "--remove", trained.name]) == 0
    capsys.readouterr()
    assert main(["runs", "--deleted"]) == 0 and "There are no deleted runs" in capsys.readouterr().out


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


def test_tokenize_replays_merges_and_lists_the_vocabulary_and_languages(trained, capsys):
    def rows(*words):
        assert main(["tokenize", *words, "--json"]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    bpe = ["--data", "foxes.txt", "--tokenizer", "bpe", "--d-vocab", "280"]
    steps = rows(*bpe, "--show", "merges", "--text", "the fox")
    assert steps[0]["pieces"] == list("the fox") and steps[-1]["merge"] is None
    assert steps[-1]["pieces"] == [row["text"] for row in rows(*bpe, "--text", "the fox")]
    assert steps[0]["merge"]["occurrences"] == 1 < steps[0]["merge"]["training_count"]
    assert rows("--show", "training", "--text", "abab")[0]["merge"]["new"] == "ab"
    tokens = rows(*bpe, "--show", "vocabulary", "--search", "fox", "--sort", "length")
    assert tokens[0]["text"] == " fox" and tokens[0]["frequency"] > 100
    own = rows("--checkpoint", str(trained), "--show", "vocabulary")
    assert len(own) == load_tokenizer(trained).d_vocab and sum(row["frequency"] for row in own) > 100
    languages = {row["language"]: row for row in rows(*bpe, "--show", "languages")}
    assert languages["Hindi"]["per_byte"] == 1 > languages["English"]["per_byte"]

    assert main(["tokenize", *bpe, "--show", "merges", "--text", "the fox"]) == 0
    assert "in the training text)" in capsys.readouterr().out
    assert main(["tokenize", "--data", "foxes.txt", "--tokenizer", "char", "--show", "languages"]) == 0
    assert "are not in the vocabulary" in capsys.readouterr().out
    char = ["tokenize", "--data", "foxes.txt", "--tokenizer", "char"]
    assert "nothing to replay" in said_by(capsys, [*char, "--show", "merges", "--text", "the fox"], 2)
    assert "--text is required" in said_by(capsys, [*char, "--show", "merges"], 2)
    assert "--search must be used with" in said_by(capsys, [*char, "--text", "x", "--search", "y"], 2)
    assert "is about no text" in said_by(capsys, [*char, "--text", "x", "--show", "languages"], 2)
    assert "cannot be combined with" in said_by(capsys, [*char, "--text", "x", "--show", "training"], 2)


def test_world_writes_the_same_stories_to_a_file_or_to_standard_output(capsys):
    assert main(["world", "--seed", "3", "--size", "2000"]) == 0
    assert capsys.readouterr().out == generate_stories(3, 2000)
    assert main(["world", "--seed", "3", "--size", "2000", "--output", "stories.txt"]) == 0
    assert Path("stories.txt").read_bytes() == generate_stories(3, 2000).encode()
    assert capsys.readouterr().out == ""


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
    metrics = StepMetrics(2, 64, 2.7, 1e-3, 1.0, {}, 1234.5, 1.0, 2.0, evaluation=evaluation, sample=sample)
    with TrainingView(resume_run(copied(trained)), screen) as view:
        view.step(dataclasses.replace(metrics, step=1, elapsed=1.0, evaluation=None))
        view.step(metrics)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.file.getvalue())
    assert (
        "step 2 · validation loss 2.500 ± 0.125 · perplexity 12.2 · accuracy 25.0% · 3.10 bits per character" in shown
    )
    assert "│ [red]fox[/red] \\x1b[31m\\x07 :smile:" in shown and "\x07" not in shown
    assert "step 2/3" in shown and "loss 2.700" in shown and "1,234 tokens/s" in shown and "0:01 left" in shown
