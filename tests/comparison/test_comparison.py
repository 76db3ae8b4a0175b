"""Runs side by side: what differs, what makes it unfair, their skills, and the data frames."""

import shutil
import subprocess
import sys

import pytest
from compared_runs import EVALUATION, ROWS, compared_run
from run_folders import change_config, change_rows

import llm
from llm.comparison.differences import differences
from llm.comparison.fairness import unfair
from llm.comparison.run import LETTERS, default_unit, read_run
from llm.comparison.skills import skill_grid
from llm.config import TrainingConfig, describe
from llm.tokenizers.char import CharTokenizer


def two(tmp_path, **change):
    """A run, and one with a change."""
    paths = compared_run(tmp_path), compared_run(tmp_path, **change)
    return [read_run(path, letter) for path, letter in zip(paths, LETTERS, strict=False)]


def with_another_tokenizer(path):
    """The same number of tokens, but other ones."""
    CharTokenizer.train("a red owl!").save(path)
    return path


def test_equal_runs_do_not_differ_and_compare_fairly(tmp_path):
    runs = two(tmp_path)
    assert differences(runs) == []
    for axis in ("step", "tokens", "seconds", "flops"):
        assert unfair(runs, axis, "nats") == []


def test_only_what_differs_is_listed_with_the_help_of_its_field(tmp_path):
    runs = two(tmp_path, training={"learning_rate": 0.5, "seed": 7}, model={"d_mlp": 7}, conditions={"threads": 2})
    found = {row.field: row.values for row in differences(runs)}
    parameters = [run.summary.parameters for run in runs]
    assert found == {
        "parameters": tuple(parameters), "d_mlp": (6, 7), "learning_rate": (0.01, 0.5), "seed": (0, 7),
        "machine: threads": ("1", "2"),
    }  # fmt: skip
    helps = {row.field: row.help for row in differences(runs)}
    assert helps["learning_rate"] == describe(TrainingConfig)["learning_rate"].help


def test_a_branch_says_where_it_began_and_is_no_other_seed_of_its_parent(tmp_path):
    paths = compared_run(tmp_path), compared_run(tmp_path, training={"seed": 1})
    change_config(paths[1], lambda config: config.update(branched={"run": paths[0].name, "step": 2, "changed": {}}))
    found = llm.compare(*paths)
    (origin,) = (row.values for row in differences(found.runs) if row.field == "goes on from")
    assert origin == (None, f"{found.runs[0].summary.title} (run {paths[0].name}) at step 2")
    assert found.bands().empty


def test_a_text_or_tokenizer_of_the_same_name_that_is_another_one_differs(tmp_path):
    paths = compared_run(tmp_path), with_another_tokenizer(compared_run(tmp_path, text={"sha256": "cd" * 32}))
    runs = [read_run(path, letter) for path, letter in zip(paths, LETTERS, strict=False)]
    found = {row.field: row.values for row in differences(runs)}
    assert found["text"] == ("foxes.txt (abababab)", "foxes.txt (cdcdcdcd)")
    assert len(set(found["tokenizer"])) == 2


OTHER_PASSAGES = {"evaluation": EVALUATION | {"passages": 4, "characters": 1600}}
REASONS = {
    "length": ({"training": {"steps": 8}}, "step", "The schedules have different lengths (A: 4 steps; B: 8 steps)"),
    "not ended": ({"rows": ROWS[:3]}, "step", "Not every run has reached the end of its schedule (B: step 2 of 4)"),
    "text": (
        {"text": {"sha256": "cd" * 32}},
        "tokens",
        "different texts (A: foxes.txt (abababab); B: foxes.txt (cdcdcdcd))",
    ),
    "passages": (OTHER_PASSAGES, "tokens", "other passages of the text (A: 2 passages, 800 characters; B: 4 passages"),
    "batch": ({"training": {"batch_size": 4}}, "step", "same amount of text everywhere (A: 10 tokens; B: 20 tokens)"),
    "threads": ({"conditions": {"threads": 2}}, "seconds", "which differs: threads (A: 1; B: 2)"),
    "precision": ({"conditions": {"precision": "bfloat16"}}, "seconds", "precision (A: float32; B: bfloat16)"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_an_unfair_comparison_says_why(tmp_path, reason):
    change, axis, sentence = REASONS[reason]
    assert any(sentence in said for said in unfair(two(tmp_path, **change), axis, "nats"))


def test_what_matters_on_one_axis_is_not_said_on_another(tmp_path):
    runs = two(tmp_path, training={"batch_size": 4}, conditions={"threads": 2})
    assert unfair(runs, "tokens", "nats") == []


def test_a_constant_rate_does_not_depend_on_the_length(tmp_path):
    constant = {"schedule": "constant", "warmup": 0.0}
    paths = [compared_run(tmp_path, training=constant | {"steps": steps}) for steps in (4, 8)]
    runs = [read_run(path, letter) for path, letter in zip(paths, LETTERS, strict=False)]
    assert not any("different lengths" in said for said in unfair(runs, "step", "nats"))


def test_bits_per_character_are_the_default_where_tokenizers_differ_and_nats_are_unfair(tmp_path):
    paths = compared_run(tmp_path), with_another_tokenizer(compared_run(tmp_path))
    found = llm.compare(*paths)
    assert found.unit == "bits" and found.unfair() == []
    (said,) = found.unfair(unit="nats")
    assert said.startswith("The tokenizers differ (A: char of")
    assert default_unit(two(tmp_path)) == "nats"


def test_skills_have_their_error_and_what_looks_like_guessing_is_marked(tmp_path):
    runs = two(tmp_path)
    change_rows(runs[0].summary.path, lambda rows: rows[-1].update(skills={"articles": 1.0, "unheard of": 0.7}))
    runs[0] = read_run(runs[0].summary.path, "A")
    articles, other = skill_grid(runs)
    assert (articles.skill, articles.easy, articles.scores[1]) == ("articles", True, None)
    score = articles.scores[0]
    assert (score.accuracy, score.pairs, score.step, score.guessing) == (1.0, 10, 4, False)
    assert score.standard_error == pytest.approx((12 / 14 * 2 / 14 / 14) ** 0.5)
    assert other.name == "unheard of" and other.scores[0].guessing


def test_the_data_frames_hold_every_point_and_call_the_runs_by_their_letters(tmp_path):
    paths = compared_run(tmp_path), compared_run(tmp_path, training={"seed": 1})
    found = llm.compare(*map(str, paths))
    curves = found.curves()
    assert curves.groupby(["run", "curve"]).size().to_dict() == {
        (run, curve): count
        for run in "AB"
        for curve, count in (("training", 4), ("validation", 1), ("validation, all", 1))
    }
    assert list(curves[curves.curve == "training"].nats) == [row["loss"] for row in ROWS[1:]] * 2
    ends = found.ends()
    assert list(ends.id) == [path.name for path in paths] and list(ends.nats) == [2.25, 2.25]
    differing = found.differences()
    assert (list(differing.field), list(differing.A), list(differing.B)) == (["seed"], [0], [1])
    assert set(found.bands().runs) == {"A B"} and len(found.bands()) == 5
    assert found.skills().empty


def test_what_cannot_be_compared_is_refused_in_a_sentence(tmp_path):
    path = compared_run(tmp_path)
    with pytest.raises(ValueError, match="a comparison needs 2 to 8 runs, got 1"):
        llm.compare(path)
    with pytest.raises(ValueError, match="a comparison needs 2 to 8 runs, got 9"):
        llm.compare(*[path] * 9)
    with pytest.raises(ValueError, match=r"cannot be compared with itself: .* is given more than once"):
        llm.compare(path, path.parent / ".." / path.parent.name / path.name)
    with pytest.raises(ValueError, match="axis must be one of step, tokens, seconds, flops, got 'luck'"):
        llm.compare(path, compared_run(tmp_path)).unfair("luck")
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        llm.compare(path, tmp_path / "nothing")
    damaged = compared_run(tmp_path)
    change_config(damaged, lambda config: config["model"].pop("d_vocab"))
    with pytest.raises(ValueError, match="ModelConfig lacks d_vocab"):
        llm.compare(path, damaged)
    shutil.rmtree(damaged)


def test_importing_the_library_imports_no_pandas():
    program = "import sys, llm.comparison; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
