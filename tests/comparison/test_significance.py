"""Whether a difference of losses is more than noise: by hand, and against what chance does to many pairs of runs."""

import dataclasses
import math
import random
import statistics

import pytest
from compared_runs import ROWS, compared_run

import llm
from llm.comparison.bands import seed_groups
from llm.comparison.run import read_run
from llm.comparison.significance import (
    NOTES,
    ONE_SEED,
    ONLY_SEEDS,
    in_words,
    loss_difference,
    seed_difference,
    sentences,
    verdicts,
)

NATS = [40.0, 90.0, 75.0, 60.0]
SIZES = {"tokens": [20, 30, 25, 20], "characters": [80, 120, 110, 90]}


def with_sums(tmp_path, letter: str, nats: list[float], **sizes):
    """A run that recorded these nats of its passages."""
    rows = [dict(row) for row in ROWS]
    rows[-1]["passages"] = {"nats": nats, **SIZES, **sizes}
    return read_run(compared_run(tmp_path, rows=rows, training={"learning_rate": ord(letter) / 1000}), letter)


@pytest.mark.parametrize(("unit", "sizes", "scale"), [("nats", "tokens", 1.0), ("bits", "characters", math.log(2))])
def test_the_paired_difference_and_its_error_are_those_of_the_definition(tmp_path, unit, sizes, scale):
    one, other = with_sums(tmp_path, "A", NATS), with_sums(tmp_path, "B", [nats + 2 + k for k, nats in enumerate(NATS)])
    found = loss_difference(one, other, unit)
    higher, per = [(2 + k) / scale for k in range(4)], SIZES[sizes]
    mean = sum(higher) / sum(per)
    error = math.sqrt(4 / 3 * sum((y - mean * x) ** 2 for y, x in zip(higher, per, strict=True))) / sum(per)
    assert (found.difference, found.standard_error) == (pytest.approx(mean), pytest.approx(error))
    assert found.how == "paired" and found.count == 4 and found.clear
    assert "A is better than B: its loss is lower by" in in_words(found)
    assert sentences([one, other], unit) == [in_words(found), NOTES["paired"], ONE_SEED]
    back = loss_difference(other, one, unit)
    assert back.difference == -found.difference and in_words(back) == in_words(found)


def test_what_is_not_measured_on_the_same_passages_is_not_paired(tmp_path):
    one = with_sums(tmp_path, "A", NATS)
    for sizes in ({"characters": [80, 120, 110, 91]}, {"tokens": [20, 30, 25, 21]}, {"tokens": [20]}):
        found = loss_difference(one, with_sums(tmp_path, "B", NATS, **sizes), "nats")
        assert found.how == "errors" and found.standard_error == pytest.approx(math.hypot(0.25, 0.25))
        assert not found.clear and "do not differ clearly" in in_words(found)
    elsewhere = read_run(compared_run(tmp_path, text={"sha256": "cd" * 32}), "B")
    assert loss_difference(one, elsewhere, "nats") is None
    unfinished = dataclasses.replace(one, final=None)
    assert loss_difference(one, unfinished, "nats").how == "paired"
    assert loss_difference(dataclasses.replace(one, passage_sums=None), unfinished, "nats") is None


def test_several_seeds_give_the_difference_of_their_means_and_equal_settings_are_rarely_called_different(tmp_path):
    path = compared_run(tmp_path)
    run = read_run(path, "A")
    drawn = random.Random(0)

    def group(mean: float):
        ends = [run.final._replace(nats=drawn.gauss(mean, 0.1)) for _ in range(8)]
        return [dataclasses.replace(run, final=end) for end in ends]

    groups = group(2.0), group(2.5)
    found = seed_difference(*groups, "nats")
    losses = [[run.final.nats for run in group] for group in groups]
    assert found.difference == pytest.approx(statistics.mean(losses[1]) - statistics.mean(losses[0]))
    assert found.standard_error == pytest.approx(
        math.sqrt(sum(statistics.stdev(group) ** 2 / 8 for group in losses))
    ) and found.clear  # fmt: skip
    assert seed_difference(groups[0][:1], groups[1], "nats") is None
    called_clear = sum(seed_difference(group(2.0), group(2.0), "nats").clear for _ in range(400))
    assert 0.02 < called_clear / 400 < 0.11


def test_the_lowest_loss_stands_beside_each_other_setting(tmp_path):
    paths = [compared_run(tmp_path, training={"learning_rate": rate, "seed": seed})
             for rate in (0.5, 0.25) for seed in (0, 1)]  # fmt: skip
    found = llm.compare(*paths)
    assert list(found.verdicts()["how"]) == ["seeds"] and list(found.verdicts()["clear"]) == [False]
    assert list(verdicts(found.runs[:2], "nats")) == []  # they differ in nothing but their seed
    assert sentences(found.runs[:2], "nats") == [ONLY_SEEDS]


def test_a_copy_of_a_run_is_no_second_seed(tmp_path):
    paths = [compared_run(tmp_path, training={"learning_rate": rate, "seed": seed})
             for rate, seed in ((0.5, 0), (0.5, 0), (0.25, 0), (0.25, 1))]  # fmt: skip
    runs = llm.compare(*paths).runs
    [found] = verdicts(runs, "nats")
    assert found.how != "seeds" and {found.first, found.second} == {"A", "C"}
    said = "A and B have the same settings, text and seed 0"
    assert sentences(runs, "nats")[0].startswith(said)
    [alone] = sentences(runs[:2], "nats")
    assert alone.startswith(said)
    assert sentences(runs[2:], "nats") == [ONLY_SEEDS]
    assert [run.letter for run in seed_groups([runs[0], dataclasses.replace(runs[1], final=None)])[0]] == ["A"]
    assert [run.letter for run in seed_groups([dataclasses.replace(runs[0], final=None), runs[1]])[0]] == ["B"]
    from_elsewhere = [dataclasses.replace(run, summary=dataclasses.replace(run.summary, steps=None)) for run in runs]
    assert len(seed_groups(from_elsewhere)) == 4  # models of another project, of whose training nothing is known
