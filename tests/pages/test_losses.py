"""The loss curves of a run as a file, from the page Train."""

import csv
import io
import json

import pytest
from app_pages import tiny_run
from starlette.exceptions import HTTPException
from starlette.requests import Request

from components.views.training_run import LIVE
from llm.checkpoints import RunFolder
from llm.cli import main


def request(run_id: str) -> Request:
    return Request({"type": "http", "path_params": {"key": run_id}, "query_string": b"", "headers": []})


def test_the_file_has_every_step_the_smoothed_curve_and_each_validation_loss(home):
    path = tiny_run(home)
    answer = LIVE["run/losses.csv"](request(path.name))
    assert answer.headers["content-disposition"] == f'attachment; filename="loss-{path.name}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    measured = RunFolder(path).read_metrics().rows

    def points(curve):
        return [(float(row["step"]), float(row["nats"])) for row in rows if row["curve"] == curve]

    taken = [(row["step"], row["loss"]) for row in measured if row["loss"] is not None]
    assert points("training, each step") == points("training, smoothed") == taken  # each block is one step long
    evaluated = [(row["step"], row["evaluation"]["loss"]) for row in measured if row["evaluation"]]
    assert points("validation") == evaluated
    assert points("validation, all") == [(3, measured[-1]["final_evaluation"]["loss"])]
    assert [row["tokens"] for row in rows[:3]] == [str(float(row["tokens"])) for row in measured[1:]]


def test_the_command_prints_the_same_losses(home, capsys):
    path = tiny_run(home)
    shown = csv.reader(io.StringIO(LIVE["run/losses.csv"](request(path.name)).body.decode()))
    assert main(["curve", str(path)]) == 0
    printed = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert [[cell.strip('"') for cell in row] for row in shown] == printed and len(printed) > 5
    assert main(["curve", path.name, "--checkpoints-dir", str(path.parent), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["curve"] for row in rows] == [row[0] for row in printed[1:]]
    assert main(["curve"]) == 2 and "--run is required" in capsys.readouterr().err


@pytest.mark.parametrize("run_id", ["20200101000000", ".."])
def test_there_is_none_of_a_run_that_does_not_exist(home, run_id):
    tiny_run(home)
    with pytest.raises(HTTPException, match="There is no such run"):
        LIVE["run/losses.csv"](request(run_id))
