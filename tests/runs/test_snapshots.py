import dataclasses
import itertools
import math
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from run_folders import MODEL, in_a_child_process, names, new_run

from llm import Transformer
from llm.config import TrainingConfig
from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs
from llm.runs.loading import load_run
from llm.runs.snapshots import kept_bytes, snapshot_due
from llm.runtime.files import write_folder


@given(st.integers(0, 10**7))
def test_the_first_and_the_last_step_are_kept(steps):
    assert snapshot_due(0, steps)
    assert snapshot_due(steps, steps)


@given(st.integers(3, 40), st.integers(0, 100))
def test_four_steps_of_every_doubling_are_kept_evenly_apart(doubling, more):
    start = 2**doubling
    steps = 2 * start + more  # the last one lies beyond
    quarters = [start * numerator // 4 for numerator in (4, 5, 6, 7)]
    assert all(snapshot_due(step, steps) for step in quarters)
    if doubling <= 12:
        assert [step for step in range(start, 2 * start) if snapshot_due(step, steps)] == quarters
    else:
        neighbours = [step + offset for step in quarters for offset in (-1, 1)]
        assert not any(snapshot_due(step, steps) for step in neighbours)


@given(st.integers(1, 5000))
def test_snapshots_are_dense_early_and_grow_with_the_logarithm(steps):
    kept = [step for step in range(steps + 1) if snapshot_due(step, steps)]
    assert len(kept) <= 4 * math.log2(steps + 1) + 2
    assert all(later - earlier <= max(1, earlier) for earlier, later in itertools.pairwise(kept))


def test_the_steps_of_a_default_run_are_those_of_the_description():
    kept = [step for step in range(101) if snapshot_due(step, 100)]
    assert kept == [0, 1, 2, 4, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 100]


@pytest.mark.parametrize("steps", [1, 3, 8, 9, 100, 457])
def test_what_a_run_will_take_counts_the_snapshots_that_it_will_keep(steps):
    weights = 4 * sum(parameter.numel() for parameter in Transformer(MODEL).parameters())
    due = sum(snapshot_due(step, steps) for step in range(steps + 1))
    roomy = TrainingConfig(steps=steps, optimizer="adamw", max_disk_mb=10**6)
    assert kept_bytes(MODEL, roomy) == (3 * due + 2) * weights  # AdamW has two numbers for each weight
    least = 2 * weights + max(1_000_000, 4 * weights)
    assert kept_bytes(MODEL, dataclasses.replace(roomy, max_disk_mb=1)) == min((3 * due + 2) * weights, least)


def folder_size(folder: RunFolder) -> int:
    return sum(path.stat().st_size for path in folder.path.glob("step_*/*"))


@pytest.mark.parametrize("keep_mb", [1, 2, 100])
def test_thinning_keeps_first_and_newest_within_the_bound(tmp_path, keep_mb):
    config = dataclasses.replace(MODEL, d_mlp=5000)  # a third of a megabyte
    folder, model = new_run(tmp_path), Transformer(config)
    written = [step for step in range(401) if snapshot_due(step, 400)]
    for count, step in enumerate(written, 1):
        folder.save_snapshot(step, model, {}, {"moments": torch.zeros(20_000)}, keep_mb)
        kept = folder.snapshots()
        assert kept[0] == 0 and kept[-1] == step
        assert folder_size(folder) <= keep_mb * 1_000_000
        assert len(kept) == count or folder_size(folder) > keep_mb * 1_000_000 - 2 * 330_000
    if keep_mb == 100:
        assert kept == written
    else:  # what is left is spread evenly on a logarithmic scale: no gap is much wider than if it were perfectly so
        gaps = [math.log((later + 1) / (earlier + 1)) for earlier, later in itertools.pairwise(kept)]
        assert max(gaps) <= 2.5 * math.log(401) / len(gaps)


def test_two_snapshots_stay_whatever_the_bound(tmp_path):
    folder, model = new_run(tmp_path), Transformer(dataclasses.replace(MODEL, d_mlp=20_000))
    for step in (3, 5, 9):
        folder.save_snapshot(step, model, {}, {}, keep_mb=1)
    assert folder.snapshots() == [3, 9]


def test_trainer_states_are_kept_as_far_as_there_is_room_and_go_before_any_snapshot(tmp_path):
    folder, model = new_run(tmp_path), Transformer(MODEL)
    steps = (0, 1, 2, 4, 8, 16)
    for step in steps:
        folder.save_snapshot(step, model, {}, {"step": step, "moments": torch.full((60_000,), step / 3)}, keep_mb=1)
    assert folder.snapshots() == list(steps)
    assert folder_size(folder) <= 1_000_000 < folder_size(folder) + 240_000  # not one more than needed
    kept = folder.resumable_snapshots()
    assert len(kept) == 4 and kept[-1] == 16
    for step in kept:
        state = folder.trainer_state(step)
        assert state["step"] == step and state["moments"][0].item() == torch.tensor(step / 3).item()
    [without, *_] = set(steps) - set(kept)
    with pytest.raises(DamagedCheckpointError, match=r"trainer\.pt is damaged: it is missing"):
        folder.trainer_state(without)


def test_steps_beyond_a_million_are_snapshots_too(tmp_path):
    folder, model = new_run(tmp_path), Transformer(MODEL)
    for step in (999_999, 1_048_576):
        folder.save_snapshot(step, model, {}, {}, keep_mb=100)
    for stranger in ("step_1", "step_0000012", "step_abcdef", "step_000003.old", "step_٠٠٠٠٠٤"):
        (folder.path / stranger).mkdir()
    (folder.path / "step_000007").write_text("a file")
    assert folder.snapshots() == [999_999, 1_048_576]


def test_a_process_killed_while_writing_leaves_nothing_that_counts(tmp_path):
    folder = new_run(tmp_path)
    model = Transformer(MODEL)
    folder.save_snapshot(1, model, {}, {}, keep_mb=100)

    def killed_in_the_middle(target: Path) -> None:
        (target / "model.safetensors").write_bytes(b"half")
        os._exit(9)

    in_a_child_process(lambda: write_folder(folder.path / "step_000002", killed_in_the_middle))
    assert any(name.startswith(".writing-step_000002") for name in names(folder.path))
    assert folder.snapshots() == [1]
    assert [run.id for run in list_runs(tmp_path)] == [folder.id]
    assert load_run(folder.path).step == 1
    folder.save_snapshot(2, model, {}, {}, keep_mb=100)
    assert folder.snapshots() == [1, 2]
    assert not any(name.startswith(".writing") for name in names(folder.path))
