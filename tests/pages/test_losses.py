"""The loss curves of a run as a file, from the page Train."""

import csv
import io

import pytest
from app_pages import tiny_run
from starlette.exceptions import HTTPException
from starlette.requests import Request

from components.views.training_run import LIVE
from llm.checkpoints import RunFolder


def request(run_id: str) -> Request:
    return Request({"type": "http", "path_params": {"key": run_id}, "query_string": b"", "headers": []})


def test_the_file_has_every_step_the_smoothed_curve_and_each_validation_loss(home):
    path = tiny_run(home)
    answer = LIVE["run/losses.csv"](request(path.name))
    assert answer.headers["content-disposition"] == f'attachment; filename="loss-{path.name}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    measured = RunFolder(path).read_metrics().rows

    def points(curve):
        return [(float(row["step"]), float(row["nats"])) for row in rows if row["curve"] == f'"{curve}"']

    taken = [(row["step"], row["loss"]) for row in measured if row["loss"] is not None]
    assert points("training, each step") == points("training, smoothed") == taken  # each block is one step long
    evaluated = [(row["step"], row["evaluation"]["loss"]) for row in measured if row["evaluation"]]
    assert points("validation") == evaluated
    assert points("validation, all") == [(3, measured[-1]["final_evaluation"]["loss"])]
    assert [row["tokens"] for row in rows[:3]] == [str(float(row["tokens"])) for row in measured[1:]]


@pytest.mark.parametrize("run_id", ["20200101000000", ".."])
def test_there_is_none_of_a_run_that_does_not_exist(home, run_id):
    tiny_run(home)
    with pytest.raises(HTTPException, match="There is no such run"):
        LIVE["run/losses.csv"](request(run_id))
