"""The small loss curve of a run in a list."""

import json

from run_folders import new_run, row

from llm.runs import curves


def test_the_curve_is_the_loss_of_each_evaluation(tmp_path):
    folder = new_run(tmp_path)
    assert folder.loss_curve() == []
    for step, loss in enumerate([3.0, 2.0, float("inf"), 1.5]):
        folder.append_metrics(row(step, loss))
        folder.append_metrics({"step": step, "loss": 9.0, "evaluation": None})
    assert folder.loss_curve() == [3.0, 2.0, 1.5]
    folder.append_metrics(row(4, 1.25))  # a run that trains
    assert folder.loss_curve() == [3.0, 2.0, 1.5, 1.25]


def test_many_evaluations_become_few_with_both_ends(tmp_path):
    folder = new_run(tmp_path)
    lines = [json.dumps(row(step, float(step))) + "\n" for step in range(1000)]
    (folder.path / "metrics.jsonl").write_text("".join(lines))
    curve = folder.loss_curve()
    assert len(curve) <= curves.MOST_POINTS + 1 and curve == sorted(curve)
    assert (curve[0], curve[-1]) == (0.0, 999.0)


def test_of_a_file_of_any_size_little_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(curves, "MOST_BYTES", 10_000)
    monkeypatch.setattr(curves, "PIECE", 500)
    folder = new_run(tmp_path)
    lines = [json.dumps(row(step, float(step))) + "\n" for step in range(2000)]
    (folder.path / "metrics.jsonl").write_text("".join(lines))
    curve = folder.loss_curve()
    assert 5 < len(curve) <= curves.MOST_POINTS + 1 and curve == sorted(curve)
    assert curve[0] < 200 and curve[-1] > 1800


def test_what_is_no_file_has_no_curve(tmp_path):
    folder = new_run(tmp_path)
    (folder.path / "metrics.jsonl").unlink()
    (folder.path / "metrics.jsonl").symlink_to("/dev/zero")
    assert folder.loss_curve() == []
