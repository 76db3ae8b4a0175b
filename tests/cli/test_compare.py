"""`llm compare`: runs by path or id, as tables and as JSON."""

import json

import pytest
from compared_runs import compared_run

from llm.cli import main


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return [compared_run(tmp_path / "checkpoints", training={"seed": seed}) for seed in (0, 1)]


def test_compare_prints_ends_differences_and_warnings(runs, capsys):
    assert main(["compare", runs[0].name, str(runs[1]), "--checkpoints-dir", "checkpoints"]) == 0
    shown = capsys.readouterr().out
    for part in ("A", "B", "2.250 ± 0.250", "validation, nats per token", "seed", "What differs:"):
        assert part in shown


def test_compare_prints_json_with_every_point(runs, capsys):
    assert main(["compare", *map(str, runs), "--json", "--unit", "bits"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["id"] for run in found["runs"]] == [run.name for run in runs]
    assert (found["unit"], found["unfair"], len(found["curves"]), len(found["bands"])) == ("bits", [], 12, 5)
    (row,) = found["differences"]
    assert (row["field"], row["A"], row["B"]) == ("seed", 0, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--runs is required"),
        (["20260131120000"], "a comparison needs 2 to 8 runs, got 1"),
        (["gone", "gone too"], "gone is not a run folder"),
        (["a", "b", "--by", "luck"], "--by"),
        (["a", "b", "--jsno"], "--jsno"),
    ],
)
def test_what_compare_cannot_do_is_a_sentence(runs, capsys, arguments, said):
    assert main(["compare", *arguments]) == 2
    assert said in capsys.readouterr().err
