"""The entropy of the stories: how many bits their random choices have, and with which error that is known."""

import hashlib
import json
import statistics
from pathlib import Path

from llm.cli import main
from llm.world.entropy import MEASURED, TRAINING_TEXT_SHA256, entropy, floor

TRAINING_TEXT = Path(__file__).parents[2] / "training.txt"


def test_the_recorded_entropy_is_that_of_the_world():
    """After a change of the world: `uv run llm world --entropy 20000`, and MEASURED in llm/world/entropy.py."""
    found = entropy(1500, seed=7)
    assert abs(found.bits_per_character - MEASURED.bits_per_character) < 4 * found.standard_error


def test_only_training_txt_has_a_floor():
    assert hashlib.sha256(TRAINING_TEXT.read_bytes()).hexdigest() == TRAINING_TEXT_SHA256
    assert floor(TRAINING_TEXT_SHA256) == MEASURED
    assert floor("0" * 64) is floor(None) is None


def test_the_standard_error_is_at_least_the_spread_over_texts():
    """Less than twice: neighbouring stories have different plots, so that texts differ less than independent ones."""
    found = [entropy(60, seed) for seed in range(30)]
    spread = statistics.stdev(one.bits_per_character for one in found)
    assert 0.9 * spread < statistics.mean(one.standard_error for one in found) < 2 * spread


def test_the_command_prints_it(capsys):
    assert main(["world", "--entropy", "20", "--seed", "3"]) == 0
    found = entropy(20, 3)
    assert f"At most {found.bits_per_character:.4f} ± {found.standard_error:.4f} bits" in capsys.readouterr().out
    assert main(["world", "--entropy", "20", "--seed", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bits_per_character"] == found.bits_per_character
    for words, said in (
        (["--entropy", "20", "--size", "9"], "--entropy cannot be combined with --size"),
        (["--json"], "--json must be used with --entropy"),
        (["--entropy", "0"], "stories must be at least 1, got 0"),
    ):
        assert main(["world", *words]) == 2
        assert said in capsys.readouterr().err
