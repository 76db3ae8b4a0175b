"""`llm text`, and training on files of several kinds."""

import json
from pathlib import Path

import pytest
from command_line import ENGLISH, TINY, said_by
from sample_files import CSV, FOX, HEN, page, pdf

from llm.checkpoints import list_runs
from llm.cli import main
from llm.runs.folder import RunFolder


@pytest.fixture(autouse=True)
def files():
    Path("web.html").write_text(page(HEN, FOX))
    Path("table.csv").write_text(CSV)
    Path("paper.pdf").write_bytes(pdf(HEN))


def test_what_is_taken_is_printed_and_written(capsys):
    assert main(["text", "table.csv", "web.html", "--output", "all.txt"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "table.csv: table (csv), 2 documents, 50 characters, from the column story",
        "  left out: other columns: id, label; 1 row without text in this column",
        f"  {HEN}",
        "web.html: web page, 1 document, 50 characters",
        "  left out: 1 script; 1 page title",
        f"  {HEN} {FOX}",
    ]
    assert Path("all.txt").read_text() == f"{HEN}\n\n{FOX}\n\n{HEN}\n\n{FOX}"
    assert main(["text", "table.csv", "--column", "label", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["column"], found["documents"], found["columns"]) == ("label", 3, ["id", "label", "story"])


def test_files_of_several_kinds_are_one_text_to_train_on():
    files = ["foxes.txt", "paper.pdf", "table.csv"]
    split = ["--validation-fraction", "0.2", "--test-fraction", "0.1"]
    assert main(["train", *TINY, "--tokenizer", "char", "--column", "story", *split, "--data", *files]) == 0
    run = list_runs("checkpoints")[0].path
    config = RunFolder(run).config()
    assert (run / "text.txt").read_text() == f"{ENGLISH}\n\n{HEN}\n\n{HEN}\n\n{FOX}"
    assert config.about(int, "text", "validation_characters") == pytest.approx(0.2 * len(ENGLISH), rel=0.1)
    assert config.about(str, "text", "name") == "foxes.txt and 2 more files"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["text"], "llm text needs the files to read"),
        (["text", "none.pdf"], "There is no file none.pdf"),
        (["train", "--data", "table.csv", "--column", "title"], "it has id, label, story"),
        (["train", "--test-fraction", "0.5"], "test_fraction must be from 0 to 0.4, got 0.5"),
        (["train", "--split-by", "file", "--data", "foxes.txt"], "split_by=file needs at least 3 files"),
        (["train", "--data", "foxes.txt", "--column", "title"], "column must be left out unless a file is a table"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(capsys, words, sentence):
    assert sentence in said_by(capsys, words, 2)
