"""The experiments run: a few steps of each, and what they write is what was measured."""

import csv
import importlib.util
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest

from llm.checkpoints import list_runs, load_run
from llm.data import TextData, read_text
from llm.interpret.head_scores import head_scores, induction_loss

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def induction() -> ModuleType:
    spec = importlib.util.spec_from_file_location("induction", PROJECT / "experiments" / "induction.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["induction"] = module  # where its dataclasses look for their types
    spec.loader.exec_module(module)
    return module


def test_an_output_that_is_a_link_is_kept(induction, tmp_path):
    (tmp_path / "kept.txt").write_text("kept")
    for name in ("songs.txt", "induction.csv"):
        (tmp_path / name).symlink_to(tmp_path / "kept.txt")
    for options in (induction.Options(songs=tmp_path / "songs.txt"), induction.Options(out=tmp_path)):
        with pytest.raises(ValueError, match=r"(songs\.txt|induction\.csv).*a link or device is kept"):
            induction.main(options)
    assert (tmp_path / "songs.txt").is_symlink() and (tmp_path / "kept.txt").read_text() == "kept"


def test_a_song_of_lines_sung_three_times_follows_each_story(induction, tmp_path):
    told = ["Ned met a hen.", "The hen met Ned and ran."] * 20
    (tmp_path / "story.txt").write_text("\n\n".join(told) + "\n")
    induction.main(induction.Options(text=tmp_path / "story.txt", songs=tmp_path / "songs.txt"))
    stories = (tmp_path / "songs.txt").read_text().strip().split("\n\n")
    assert [story.splitlines()[0] for story in stories] == told
    lines = [line.split() for story in stories for line in story.splitlines()[2:]]
    assert len(lines) == 6 * len(told)
    assert all(line == line[: len(line) // 3] * 3 for line in lines)
    assert {len(line) // 3 for line in lines} == set(range(2, 9))
    assert {word for line in lines for word in line} == {"met", "hen", "and", "ran"}


def test_the_induction_experiment_measures_each_snapshot_and_writes_it_down(induction, tmp_path):
    text = tmp_path / "story.txt"
    text.write_text(read_text(PROJECT / "training.txt")[:40_000])
    (tmp_path / "induction.md").write_text("Above\n<!-- measured -->\nold\n<!-- end -->\nBelow\n")
    induction.main(induction.Options(seeds=1, steps=1, text=text, out=tmp_path, keep=tmp_path / "runs"))

    with (tmp_path / "induction.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["step"]) for row in rows] == [(name, step) for name in induction.RUNS for step in "01"]
    path = min(run.path for run in list_runs(tmp_path / "runs"))  # the first: two layers, songs
    run = load_run(path, 1)
    assert run.config.n_layers == 2
    data = TextData.from_text(run.folder.text(), run.tokenizer, run.config.n_ctx)
    assert float(rows[1]["induction_score"]) == pytest.approx(
        float(head_scores(run.model, data.train).induction.max()), abs=1e-4
    )
    assert float(rows[1]["second_copy_loss"]) == pytest.approx(induction_loss(run.model, data.train).second, abs=1e-3)

    drawn = [one.text for one in ElementTree.parse(tmp_path / "induction.svg").iter() if one.tag.endswith("text")]
    assert set(induction.PANELS.values()) <= set(drawn)
    note = (tmp_path / "induction.md").read_text()
    assert note.startswith("Above\n") and note.endswith("Below\n") and "old" not in note
    assert f"{float(rows[-1]['validation_loss']):.2f} (" in note
