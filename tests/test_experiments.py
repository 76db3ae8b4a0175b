"""The experiment runs: a step of each model, and what it writes is what was measured."""

import csv
import importlib.util
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest

from llm.checkpoints import list_runs, load_run
from llm.data import TextData, read_text
from llm.interpret.copied_pieces import copied_pieces, copying_loss
from llm.interpret.head_scores import head_scores

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def circuit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("name_circuit", PROJECT / "experiments" / "name_circuit.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["name_circuit"] = module  # where its dataclasses look for their types
    spec.loader.exec_module(module)
    return module


def test_an_output_that_is_a_link_is_kept(circuit, tmp_path):
    (tmp_path / "kept.txt").write_text("kept")
    (tmp_path / "circuit.csv").symlink_to(tmp_path / "kept.txt")
    with pytest.raises(ValueError, match=r"circuit\.csv.*a link or device is kept"):
        circuit.main(circuit.Options(out=tmp_path))
    assert (tmp_path / "circuit.csv").is_symlink() and (tmp_path / "kept.txt").read_text() == "kept"


def test_the_experiment_measures_each_snapshot_and_writes_it_down(circuit, tmp_path):
    text = tmp_path / "strangers.txt"
    text.write_text(read_text(PROJECT / "strangers.txt")[:60_000])
    (tmp_path / "circuit.md").write_text("Above\n<!-- measured -->\nold\n<!-- end -->\nBelow\n")
    circuit.main(circuit.Options(seeds=1, steps=1, text=text, out=tmp_path, keep=tmp_path / "runs"))

    with (tmp_path / "circuit.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["step"]) for row in rows] == [(name, step) for name in circuit.RUNS for step in "01"]
    path = min(run.path for run in list_runs(tmp_path / "runs"))  # the first: gpt, strangers.txt
    run = load_run(path, 1)
    assert run.config.qk_norm and run.config.n_layers == 3
    data = TextData.from_text(run.folder.text(), run.tokenizer, run.config.n_ctx)
    assert float(rows[1]["previous_score"]) == pytest.approx(
        float(head_scores(run.model, data.train).previous.max()), abs=1e-4
    )
    windows = data.evaluation_windows(circuit.WINDOWS)
    copied = copied_pieces(*windows, data.train, run.config.d_vocab).mask(windows[0].shape)
    assert float(rows[1]["copied_loss"]) == pytest.approx(copying_loss(run.model, *windows, copied).copied, abs=1e-3)

    drawn = [one.text for one in ElementTree.parse(tmp_path / "circuit.svg").iter() if one.tag.endswith("text")]
    assert set(circuit.PANELS.values()) <= set(drawn)
    note = (tmp_path / "circuit.md").read_text()
    assert note.startswith("Above\n") and note.endswith("Below\n") and "old" not in note
    assert f"{float(rows[1]['copied_loss']):.2f} (" in note


def test_the_step_at_which_a_part_is_there_is_the_first_above_its_bar(circuit):
    def row(seed: int, step: int, previous: float, accuracy: float):
        return circuit.Measurement("gpt", seed, step, previous, 0.0, 0.0, 0.0, accuracy, 1.0, 1.0)

    rows = [row(0, 10, 0.6, 0.1), row(0, 20, 0.4, 0.95), row(1, 10, 0.1, 0.5), row(1, 20, 0.2, 0.6)]
    line = next(line for line in circuit.when_table(rows).splitlines() if line.startswith("| gpt |"))
    assert line == "| gpt | 10, never | never, never | never, never | 20, never |"
