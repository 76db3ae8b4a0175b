"""The table of runs has a column for every field, metric and skill."""

import dataclasses
import json

from run_folders import MODEL, TRAINING, copy_run, new_run, row

import llm
from llm.config import ModelConfig, TrainingConfig
from llm.runs.disk import disk_bytes
from llm.runs.notes import RunNotes
from llm.runs.table import MOST_MEASURES


def test_every_field_metric_and_skill_is_a_column(tmp_path):
    folder = new_run(tmp_path)
    (other,) = copy_run(folder, 1)
    (tmp_path / other / "config.json").write_text("{")
    folder.append_metrics(row(1) | {"skills": {"count": 0.5}})
    folder.append_metrics(row(2) | {"evaluation": {"loss": 1.25, "accuracy": 0.75}})
    folder.write_notes(RunNotes(name="mine", tags=("good", "old")))
    table = llm.runs_table(tmp_path)
    assert list(table["id"]) == [folder.id, other]
    configs = {"model": (ModelConfig, MODEL), "training": (TrainingConfig, TRAINING)}
    for part, (kind, config) in configs.items():
        for field in dataclasses.fields(kind):
            assert table[f"{part}.{field.name}"][0] == getattr(config, field.name)
            assert table[f"{part}.{field.name}"].isna()[1]
    first = table.iloc[0]
    assert (first["name"], first["tags"], first["loss"]) == ("mine", ("good", "old"), 1.25)
    assert (first["evaluation.accuracy"], first["skills.count"]) == (0.75, 0.5)
    assert first["disk_bytes"] == sum(file.stat().st_size for file in folder.path.iterdir())
    assert table["state"][1] == "damaged" and "config.json" in table["problem"][1]


def test_a_table_without_runs_has_the_columns(tmp_path):
    table = llm.runs_table(tmp_path)
    assert len(table) == 0 and {"id", "label", "tags", "model.n_layers", "training.seed"} <= set(table.columns)


def test_a_run_from_elsewhere_cannot_make_the_table_huge(tmp_path):
    folder = new_run(tmp_path)
    folder.append_metrics({"step": 1, "evaluation": {"loss": 1.0}, "skills": {f"s{n}" * 99: 0.5 for n in range(999)}})
    table = llm.runs_table(tmp_path)
    assert sum(name.startswith("skills.") for name in table.columns) <= MOST_MEASURES
    assert max(map(len, table.columns)) < 2 * MOST_MEASURES


def test_a_link_counts_as_itself(tmp_path):
    (tmp_path / "large").write_bytes(b"0" * 10**6)
    folder = new_run(tmp_path / "runs").path
    before = disk_bytes(folder)
    (folder / "step_000001").symlink_to(tmp_path)
    (folder / "step_000002").mkdir()
    (folder / "step_000002" / "snapshot.json").write_text(json.dumps({}))
    assert before < disk_bytes(folder) < before + 1000
    assert disk_bytes(tmp_path / "nothing") == 0
