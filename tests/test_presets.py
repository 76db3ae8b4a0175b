"""Presets beside each other: only what differs, with reasons, from one function for the page and the command line."""

import dataclasses
import itertools
import json
import re

import pytest

from llm.cli import main
from llm.presets import ARCHITECTURES, preset
from llm.presets.comparison import UNREAD, compare_presets

EVERY_PAIR = list(itertools.combinations(ARCHITECTURES, 2))


def test_a_row_for_each_field_in_which_presets_differ_and_for_no_other():
    for first, second in EVERY_PAIR:
        rows = {row.field: row for row in compare_presets([first, second], "medium")}
        configs = [dataclasses.asdict(preset(name, "medium", d_vocab=2048)) for name in (first, second)]
        differing = {name for name in configs[0] if configs[0][name] != configs[1][name]}
        unread = {field for field, row in rows.items() if UNREAD in row.values}
        assert rows.keys() - unread <= differing, (first, second)
        assert all(len(set(row.values)) == 2 for row in rows.values())
    assert [row.field for row in compare_presets(["gpt", "gpt2"], "small")] == ["activation"]


def test_a_reason_for_a_base_of_rotations_stands_only_where_the_size_leaves_it():
    reasons = {
        size: next(row for row in compare_presets(["gpt2", "olmo2"], size) if row.field == "rope_theta").reasons[1]
        for size in ("small", "full")
    }
    assert reasons["small"] == "" and "arXiv:2501.00656" in reasons["full"]


def test_values_that_no_part_reads_are_a_dash_and_need_no_reason():
    rows = {row.field: row for row in compare_presets(["gpt2", "mistral"], "small")}
    assert rows["window"].values == (UNREAD, "64") and rows["window"].reasons[0] == ""
    assert "rope_fraction" in rows and "rope_factor" not in rows  # which nothing scales


def test_every_part_of_a_recipe_has_a_reason_that_names_its_source():
    for name, architecture in ARCHITECTURES.items():
        assert not architecture.reasons.keys() - dataclasses.asdict(preset(name, d_vocab=2)).keys()
        for other in ARCHITECTURES.keys() - {name}:
            for row in compare_presets([name, other], "small"):
                reason = row.reasons[0]
                assert not reason or reason.endswith(".")
                chosen = row.field in architecture.fields and row.field not in ("norm_eps", "rope_theta")
                if chosen and row.values[0] not in ("no", "causal", UNREAD):
                    assert reason, (name, row.field)
                if "et al." in reason:
                    assert re.search(r"arXiv:\d{4}\.\d{5}|Radford et al\. 2019", reason), (name, row.field)


def test_the_command_prints_the_rows_and_refuses_in_a_sentence(capsys):
    assert main(["presets", "llama3", "qwen3", "--size", "full", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    rows = [dataclasses.asdict(row) for row in compare_presets(["llama3", "qwen3"], "full")]
    assert printed["rows"] == json.loads(json.dumps(rows))
    assert main(["presets", "llama3", "qwen3"]) == 0
    assert "qk_norm" in capsys.readouterr().out
    assert main(["presets"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name} " in listed for name in ARCHITECTURES)
    for words in (["gpt2"], ["gpt2", "gpt2"], ["gpt2", "bert"]):
        assert main(["presets", *words]) == 2
        error = capsys.readouterr().err
        assert error.startswith("llm: ") and error.count("\n") == 1


@pytest.mark.parametrize("size", ["tiny", ""])
def test_an_unknown_size_is_refused(size):
    with pytest.raises(ValueError, match="size must be one of small, medium, full"):
        compare_presets(["gpt", "llama"], size)
