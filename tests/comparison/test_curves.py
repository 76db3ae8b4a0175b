"""Every figure of a curve has the value that its definition gives by hand."""

import json
import math

import pytest
from compared_runs import ROWS, compared_run
from run_folders import MODEL, change_config

from llm.comparison.bands import band, seed_groups
from llm.comparison.curves import Point, bits_per_character, training_curve, training_flops
from llm.comparison.run import LETTERS, read_run
from llm.runs.folder import RunFolder


def test_a_smoothed_curve_does_not_lag_and_has_few_points(tmp_path):
    config = RunFolder(compared_run(tmp_path)).config()
    rows = [
        {"step": step, "tokens": 2 * step, "seconds": 0.5 * step, "loss": 7.0 - step / 1000} for step in range(5001)
    ]
    curve = training_curve(rows, config)
    assert [point.step for point in curve[:50]] == list(range(50))  # one by one at first
    assert curve[50].step == 50.5 and curve[50].nats == pytest.approx(7 - 0.0505)  # the mean of steps 50 and 51
    for point in curve:  # of a straight line, a mean in the middle of its steps is on the line
        assert point.nats == pytest.approx(7 - point.step / 1000)
        assert (point.tokens, point.seconds) == pytest.approx((2 * point.step, point.step / 2))
    assert len(curve) < 200
    assert curve[-1].step > 4900


def test_a_curve_ends_with_a_mean_over_as_many_steps_as_the_others(tmp_path):
    config = RunFolder(compared_run(tmp_path)).config()
    rows = [{"step": step, "loss": 3.0 if step % 2 else 5.0} for step in range(1, 104)]
    assert training_curve(rows, config)[-1][0::4] == (101.5, 4.0)
    rows.append({"step": 104, "loss": 9.0})  # alone in a new block
    assert training_curve(rows, config)[-1][0::4] == (102.5, (3 + 5 + 3 + 9) / 4)


def test_where_the_slope_changes_a_smoothed_curve_is_hardly_too_high(tmp_path):
    config = RunFolder(compared_run(tmp_path)).config()
    rows = [{"step": step, "loss": 100 / step} for step in range(1, 3000)]
    for point in training_curve(rows, config):
        assert 1 <= point.nats * point.step / 100 < 1.0002


def test_flops_are_those_of_every_matrix_product_of_every_token(tmp_path):
    # d_model 8; queries 2 × 4 wide, keys and values 4; an MLP of two matrices, 6 wide; windows of 5 tokens
    products = 8 * 8 + 8 * 4 + 8 * 4 + 8 * 8 + 2 * 5 * 8 + 2 * 8 * 6 + 8 * MODEL.d_vocab
    assert training_flops(MODEL, 100) == 100 * 3 * 2 * products
    run = read_run(compared_run(tmp_path), "A")
    assert run.took == {"step": 4, "tokens": 40, "seconds": 1, "flops": 40 * 6 * products}
    assert [point.flops for point in run.training] == [step * 10 * 6 * products for step in (1, 2, 3, 4)]


def test_bits_per_character_of_a_training_loss_count_the_tokens_of_the_training_part(tmp_path):
    folder = RunFolder(compared_run(tmp_path))  # 90 tokens in 40 − 6 − 4 characters
    assert bits_per_character(math.log(2), folder.config()) == pytest.approx(3)
    change_config(folder.path, lambda config: config["text"].pop("test_characters"))
    assert bits_per_character(1.0, folder.config()) is None  # an older run: its training part is of unknown length


def test_validation_is_drawn_as_it_was_measured(tmp_path):
    run = read_run(compared_run(tmp_path), "A")
    (point,) = run.validation
    assert (point.step, point.nats, point.nats_error, point.bits, point.bits_error) == (4, 2.5, 0.25, 1.5, 0.125)
    assert run.end == run.final and (run.final.nats, run.final.bits) == (2.25, 1.25)


def test_rows_that_hold_anything_draw_nothing_wrong(tmp_path):
    odd = ["x", None, 10**400, 1e308, float("inf"), True, [], {}]
    rows = [{"step": 1, "loss": value, "tokens": 1, "seconds": value} for value in odd]
    rows += [{"step": 1, "loss": 1.0, "tokens": value} for value in odd] + [{"step": 10**400, "loss": 1.0}]
    rows += [{"step": 2, "loss": 1.0, "evaluation": value, "skills": value} for value in odd]
    rows += [{"step": 2, "evaluation": {"loss": value, "bits_per_character": value}} for value in odd]
    rows += [{"step": 3, "skills": {"a": value, "b": 0.5}} for value in odd]
    run = read_run(compared_run(tmp_path, rows=[*rows, ROWS[4]]), "A")
    json.dumps([run.training, run.validation, run.skills], allow_nan=False)
    assert len(run.training) > 5


def point(step, loss, seconds=0.0):
    return Point(step, 10 * step, seconds, 100 * step, loss, 2 * loss)


def test_a_band_is_mean_and_range_at_the_steps_that_all_runs_have():
    curves = [
        [point(0, 5.0), point(2, 1.0, seconds=1), point(4, 1.0)],
        [point(0, 5.0), point(2, 2.0, seconds=2), point(3, 9.0)],
        [point(0, 5.0), point(2, 6.0, seconds=6), point(4, 1.0)],
    ]
    first, second = band(curves)
    assert first.nats == first.nats_low == first.nats_high == 5
    assert second == (2, 20, 3, 200, 3, 1, 6, 6, 2, 12)


def test_what_one_run_of_a_band_does_not_record_is_unknown():
    (found,) = band([[point(1, 1.0)], [point(1, 2.0)._replace(bits=None, seconds=None)]])
    assert (found.seconds, found.bits, found.bits_low, found.nats) == (None, None, None, 1.5)


def test_only_runs_that_differ_in_nothing_but_their_seed_are_a_group(tmp_path):
    different = [
        {}, {"training": {"seed": 1}}, {"training": {"seed": 2}, "conditions": {"threads": 2}},
        {"training": {"seed": 3, "learning_rate": 0.5}}, {"model": {"d_mlp": 7}}, {"text": {"sha256": "cd" * 32}},
        {"conditions": {"precision": "bfloat16"}},
    ]  # fmt: skip
    runs = [
        read_run(compared_run(tmp_path, **change), letter) for change, letter in zip(different, LETTERS, strict=False)
    ]
    assert ["".join(run.letter for run in group) for group in seed_groups(runs)] == ["ABC", "D", "E", "F", "G"]
