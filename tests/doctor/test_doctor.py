"""The run doctor: each rule finds what a real, tiny training provokes, and nothing in a healthy one."""

import json
import math
import shutil

import pytest
from doctor_runs import LETTERS, trained
from run_folders import change_rows

import llm
from llm.cli import main
from llm.doctor import RULES, diagnose
from llm.doctor.record import noise, read_record
from llm.doctor.validation_rules import jumps

HEALTHY = {}
OVERFITTED = {"text": LETTERS[:1000], "wide": 64, "learning_rate": 0.005}
PROVOKED = {  # by rule: the settings of a run in which it finds something, and what it says
    "learning_rate_far_too_high": (
        {"optimizer": "muon", "learning_rate": 1.0, "muon_learning_rate": 0.02},
        "wrong",
        "learning_rate 1 is 100 times what suits this model.",
    ),
    "diverged": ({"learning_rate": 1e20, "grad_clip": 0.0}, "wrong", "Try a third of the learning rate"),
    "loss_spike": ({"at": 120, "change": "disturb"}, "wrong", "In step 121 it was"),
    "learning_rate_too_high": ({"learning_rate": 0.3, "decay": 0.1}, "wrong", "Try a third of it: learning_rate 0.1."),
    "learning_rate_too_low": ({"learning_rate": 1e-4}, "wrong", "times what suits this model"),
    "gradients_clipped": ({"grad_clip": 0.01}, "hint", "were scaled down to grad_clip 0.01"),
    "vanishing_gradients": ({"change": "silence"}, "wrong", "No gradient reaches block 1."),
    "too_short": ({"steps": 100, "learning_rate": 0.003}, "hint", "Try 200 steps instead of 100."),
    "overfitting": (OVERFITTED, "wrong", "Overfitting: the model was best at step 20,"),
    "above_the_lines": ({"learning_rate": 1e-4}, "wrong", "worse than the unigram line"),
    "below_the_lines": (HEALTHY, "fine", "better than the trigram line"),
    "too_noisy": ({"text": LETTERS, "steps": 100}, "hint", "too close to call"),
    "text_too_small": (OVERFITTED, "hint", "900 training tokens for 101,824 parameters"),
}


def found(path):
    return {finding.rule: finding for finding in diagnose(path).findings}


def test_every_rule_has_a_run_that_provokes_it():
    assert {rule.__name__ for rule in RULES} == set(PROVOKED)


@pytest.mark.parametrize("rule", PROVOKED)
def test_each_rule_finds_what_a_real_training_provokes(rule):
    settings, kind, said = PROVOKED[rule]
    finding = found(trained(**settings))[rule]
    assert finding.kind == kind and said in str(finding)
    assert bool(finding.advice) is (kind != "fine")


def test_a_healthy_run_is_told_what_is_fine_and_nothing_else():
    assert list(found(trained())) == ["below_the_lines"]


def test_what_is_fine_is_not_said_of_a_run_that_never_got_there():
    assert "below_the_lines" not in found(trained(learning_rate=1e-4))


def test_a_rate_far_too_high_is_told_before_what_is_fine_and_with_no_advice_to_clip_less():
    diagnosis = diagnose(trained(**PROVOKED["learning_rate_far_too_high"][0]))
    assert diagnosis.findings[0].rule == "learning_rate_far_too_high" and diagnosis.advice == "Try learning_rate 0.01."
    assert "gradients_clipped" not in {finding.rule for finding in diagnosis.findings}


def test_a_run_that_has_not_ended_is_not_called_too_short():
    unfinished = diagnose(trained(stop=100))
    assert (unfinished.step, unfinished.steps) == (100, 200)
    assert {finding.rule for finding in unfinished.findings}.isdisjoint({"too_short", "learning_rate_too_low"})


def test_what_is_wrong_comes_first_and_gives_the_advice():
    diagnosis = diagnose(trained(learning_rate=1e-4))
    assert [finding.rule for finding in diagnosis.findings] == ["learning_rate_too_low", "above_the_lines"]
    assert diagnosis.advice == diagnosis.findings[0].advice


def test_the_gap_of_overfitting_is_last_minus_best_and_its_error_is_from_second_differences():
    path = trained(**OVERFITTED)
    record = read_record(path)
    losses = [measured.loss for measured in record.evaluations if measured.step > 0]
    bends = sorted(abs(losses[i] - 2 * losses[i + 1] + losses[i + 2]) for i in range(len(losses) - 2))
    error = math.sqrt(2) * 1.4826 * (bends[3] + bends[4]) / 2 / math.sqrt(6)
    assert f"{losses[-1] - min(losses):.3f} ± {error:.3f} higher" in found(path)["overfitting"].evidence


def test_noise_is_that_of_a_step_whatever_the_slope():
    def line(slope):
        return [3 - slope * i + (0.1 if i % 2 else -0.1) for i in range(100)]

    assert noise(line(0)) == pytest.approx(1.4826 * 0.2 / math.sqrt(2))
    assert noise(line(0.01)) == pytest.approx(noise(line(0)), rel=0.06)


def test_a_curve_without_jumps_has_no_error():
    record = read_record(trained())
    straight = [measured._replace(loss=float(at)) for at, measured in enumerate(record.evaluations)]
    assert jumps(straight) == 0


def test_odd_metrics_are_no_finding(tmp_path):
    """Values from outside: infinities, rows without norms, a run without any step."""
    path = tmp_path / "20260131120000"
    shutil.copytree(trained(), path)
    change_rows(path, lambda rows: [row.update(loss=1e400, grad_norm=None, grad_norms=None) for row in rows[50:]])
    assert diagnose(path).step == 200
    change_rows(path, lambda rows: [row.update(loss=1.7e308, evaluation={"loss": -1.7e308}) for row in rows[50:]])
    assert diagnose(path).step == 200
    (path / "metrics.jsonl").write_text("")
    assert diagnose(path).findings == ()


def test_the_command_prints_findings_and_json(capsys):
    path = trained(learning_rate=1e-4)
    assert main(["doctor", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "Wrong: The loss falls slowly: the learning rate is too low." in shown and "Try learning_rate" in shown
    assert main(["doctor", path.name, "--checkpoints-dir", str(path.parent), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["run"], printed["step"]) == (path.name, 200)
    assert printed["findings"][0]["rule"] == "learning_rate_too_low" == llm.diagnose(path).findings[0].rule


def test_no_run_is_a_sentence(capsys):
    assert main(["doctor"]) == 2 and "--run is required" in capsys.readouterr().err
    assert main(["doctor", "gone"]) == 2 and "gone is not a run folder" in capsys.readouterr().err
