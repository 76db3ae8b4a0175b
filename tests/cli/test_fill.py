"""`llm fill` fills in blanks; every command that would continue a text says why such a model cannot."""

import json

import pytest
from command_line import copied, said_by, train

from llm.cli import main


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("masked"))
        from pathlib import Path

        from command_line import ENGLISH

        Path("foxes.txt").write_text(ENGLISH)
        return train("--mask", "bidirectional").resolve()


def test_it_prints_a_bar_for_each_likely_token(masked, capsys):
    assert main(["fill", str(masked), "the ___ed fox", "--count", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all("%" in line and "'" in line for line in lines)
    assert main(["fill", str(masked), "the ___ed f___x", "--count", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [blank["position"] for blank in found["blanks"]] == [4, 9]
    assert all(len(blank["candidates"]) == 2 for blank in found["blanks"])


@pytest.mark.parametrize(("words", "sentence"), [
    (["infer", "--checkpoint", "RUN", "--prompt", "the"], "mask='bidirectional' cannot write text"),
    (["serve", "RUN", "--port", "0"], "mask='bidirectional' cannot write text"),
    (["export", "RUN", "--format", "hf", "--output", "exported"], "mask"),
    (["fill", "RUN", "the fox"], "has no blank: write ___"),
    (["fill", "RUN"], "--text is required"),
    (["fill", "RUN", "the ___", "--count", "0"], "--count must be at least 1, got 0"),
])  # fmt: skip
def test_what_it_cannot_do_is_one_sentence(masked, words, sentence, capsys):
    words = [str(masked) if word == "RUN" else word for word in words]
    assert sentence in said_by(capsys, words, 2)


def test_a_run_that_continues_texts_says_so(trained, capsys):
    assert "fills in no blanks" in said_by(capsys, ["fill", str(copied(trained)), "the ___"], 2)


def test_it_is_evaluated_without_baselines_and_goes_on_from_a_snapshot(masked, capsys):
    assert main(["evaluate", str(masked)]) == 0
    printed = capsys.readouterr().out
    assert "Each of the masked tokens" in printed and "without a network" not in printed
    assert main(["branch", str(masked), "--steps", "5"]) == 0
