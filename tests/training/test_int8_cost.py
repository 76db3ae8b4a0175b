import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from random_runs import trained_run

from llm.checkpoints import load_run
from llm.cli import main
from llm.data.passages import Passages
from llm.int8 import quantised, weight_bytes
from llm.training.evaluation import evaluate, evaluate_passages
from llm.training.int8_cost import Int8Cost, cost_rows, in_words, int8_cost
from llm.world import SKILLS, generate

TEXT = generate(seed=1, size=20_000)
OTHER = "The fox sat by the gate and waited for the hen. Nobody came.\n" * 30


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A finished run of one step on the story world's text."""
    return trained_run(tmp_path_factory.mktemp("runs"), TEXT)


@pytest.fixture(scope="module")
def cost(path) -> Int8Cost:
    return int8_cost(load_run(path), skill_pairs=2)


def test_both_are_measured_on_the_same_text_and_the_change_is_theirs(path, cost):
    run = load_run(path)
    found = int8_cost(run, text=OTHER)
    passages = Passages.from_text(OTHER, run.tokenizer)
    rounded = quantised(run.model)
    assert found.float32.evaluation == evaluate(run.model, passages)
    assert found.int8.evaluation == evaluate(rounded, passages)
    assert (found.float32.bytes, found.int8.bytes) == (weight_bytes(run.model), weight_bytes(rounded))
    change = found.int8.evaluation.bits_per_character - found.float32.evaluation.bits_per_character
    assert found.bits_per_character_change == pytest.approx(change, abs=1e-9)
    both = [torch.tensor(evaluate_passages(model, passages)[1].nats) for model in (run.model, rounded)]
    spread = ((both[1] - both[0]) / math.log(2) / passages.characters).std().item()
    assert found.standard_error == pytest.approx(spread / math.sqrt(len(passages)), rel=0.2)  # passages of equal length
    assert found.float32.skills == found.int8.skills == {}


def test_skills_are_measured_on_the_worlds_text_alone(cost):
    assert set(cost.float32.skills) == set(cost.int8.skills) == set(SKILLS)
    assert cost.float32.evaluation.characters > 0.04 * len(TEXT)
    assert cost.float32.milliseconds_per_token > 0 and cost.int8.milliseconds_per_token > 0


def test_the_sentence_calls_only_what_is_beyond_chance_a_change(cost):
    for change, sentence in ((0.019, "no more than chance"), (0.021, "predict worse"), (-0.021, "predict better")):
        known = dataclasses.replace(cost, bits_per_character_change=change, standard_error=0.01)
        assert sentence in in_words(known)
    assert "no telling" in in_words(dataclasses.replace(cost, standard_error=None))


def test_the_command_prints_a_table_or_one_json_object(path, cost, capsys):
    assert main(["evaluate", str(path), "--int8"]) == 0
    shown = capsys.readouterr().out
    for row in cost_rows(cost)[2:3]:  # all else depends on the time, or on the number of pairs
        assert all(text in shown for text in row)
    assert f"Run {path.name}, step 1, on all of its validation part" in shown
    assert main(["evaluate", str(path), "--int8", "--part", "test", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["part"] == "test" and found["int8"]["bytes"] == cost.int8.bytes
    assert {"bits_per_character_change", "standard_error", "float32"} <= found.keys()


def test_infer_draws_from_the_rounded_model(path, capsys):
    words = ["infer", "--checkpoint", str(path), "--prompt", "The", "--seed", "1", "--max-new-tokens", "3", "--json"]
    assert main([*words, "--int8"]) == 0
    rounded = json.loads(capsys.readouterr().out)
    assert main(words) == 0
    own = json.loads(capsys.readouterr().out)
    assert (rounded["int8"], own["int8"]) == (True, False)
    first, second = (record["tokens"][0]["model_probability"] for record in (rounded, own))
    assert first != second and first == pytest.approx(second, rel=0.1)
