"""A deleted run can be restored; nothing but a run is moved, and no link is followed."""

import pytest
from odd_folders import SECRET
from run_folders import copy_run, new_run

from llm.checkpoints import RunNotes, delete_run, deleted_runs, list_runs, remove_run, restore_run


@pytest.fixture
def run(tmp_path):
    """A stopped run."""
    folder = new_run(tmp_path / "runs")
    folder.write_status("stopped", "", 3)
    folder.write_notes(RunNotes(name="mine"))
    return folder


def files(path):
    return {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_deleted_run_is_listed_apart_and_restored_whole(run):
    runs, before = run.path.parent, files(run.path)
    (other,) = copy_run(run, 1)
    assert delete_run(run.path) == runs / ".deleted" / run.id
    assert [listed.id for listed in list_runs(runs)] == [other]
    [deleted] = deleted_runs(runs)
    assert (deleted.id, deleted.title) == (run.id, "mine")
    assert restore_run(runs, run.id) == run.path
    assert files(run.path) == before and deleted_runs(runs) == []
    delete_run(run.path)
    remove_run(runs, run.id)
    assert [listed.id for listed in list_runs(runs)] == [other] and deleted_runs(runs) == []


def test_a_run_that_trains_is_not_deleted(tmp_path):
    training = new_run(tmp_path)
    with pytest.raises(ValueError, match=f"run {training.id} is being trained: stop it before deleting it"):
        delete_run(training.path)
    assert [listed.id for listed in list_runs(tmp_path)] == [training.id]


def test_a_damaged_run_can_be_deleted(run):
    (run.path / "config.json").write_text("{")
    (run.path / "training.lock").unlink()
    (run.path / "training.lock").mkdir()
    delete_run(run.path)
    assert [listed.state for listed in deleted_runs(run.path.parent)] == ["damaged"]


def test_what_is_no_run_is_not_moved(run, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "config.json").write_bytes(SECRET)
    linked = run.path.with_name("20000101000000")
    linked.symlink_to(tmp_path / "outside", target_is_directory=True)
    for path in (tmp_path / "outside", linked, run.path.parent, run.path / "text.txt"):
        with pytest.raises(ValueError, match="is not a run folder"):
            delete_run(path)
    with pytest.raises(FileNotFoundError, match="there is nothing"):
        delete_run(run.path.with_name("20000101000001"))
    (run.path.parent / ".deleted").symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(ValueError, match=r"\.deleted is not a folder"):
        delete_run(run.path)
    assert deleted_runs(run.path.parent) == []
    assert list(files(tmp_path / "outside").values()) == [SECRET]


def test_no_id_leads_out_of_the_deleted_runs(run):
    runs = run.path.parent
    (other,) = copy_run(run, 1)
    delete_run(run.path)
    for run_id in (f"../{other}", "..", "", str(runs / other), "20000101000000"):
        for change in (restore_run, remove_run):
            with pytest.raises(FileNotFoundError, match="there is no deleted run"):
                change(runs, run_id)
    assert (runs / other / "config.json").exists()


def test_nothing_is_overwritten(run):
    runs = run.path.parent
    delete_run(run.path)
    (runs / run.id).mkdir()
    with pytest.raises(ValueError, match=f"^run {run.id} is among the runs already, .*imported again"):
        restore_run(runs, run.id)
    assert [listed.id for listed in deleted_runs(runs)] == [run.id]
