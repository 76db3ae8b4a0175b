"""The page of a run: continue it, or branch off one of its snapshots."""

import json
from dataclasses import replace

import pytest
from app_pages import button, open_page, texts, tiny_run, training_run

from components.views.branches import _row
from llm.background import queue, trainings
from llm.checkpoints import RunFolder, RunSummary, list_runs
from llm.runs.origin import Branched, Relative, branched
from llm.training.branching import NewBranch


def opened(path):
    """The run's page with the section open."""
    app = open_page("train", run=path.name)
    app.session_state[f"train-branch-{path.name}"] = True
    return app.run()


def control(app, name):
    kinds = (*app.number_input, *app.selectbox, *app.toggle, *app.text_input)
    return next(found for found in kinds if found.label == name or found.label.endswith(f"`{name}`"))


def started(app):
    """Press the button; the new run, which has ended."""
    button(app, "train-branch-start").click().run()
    assert not app.exception
    run = trainings.get(app.query_params["run"])
    assert run.wait("finished", timeout=60)
    return run.folder


def test_a_finished_run_goes_on_in_a_new_run_that_names_it(home):
    path = tiny_run(home)
    app = opened(path)
    assert control(app, "steps").value == 6  # as many steps again
    assert "Changed: steps 6. The schedule is that of a run of 6 steps from now on: in step 4" in texts(app)
    new = started(app)
    assert new.status().step == 6 and RunFolder(path).status().step == 3
    app.run()
    assert f"(run {path.name}) at step 3, with steps 6 instead of 3." in texts(app)


def test_a_twin_starts_from_any_snapshot_with_one_setting_changed(home):
    path = tiny_run(home)
    app = opened(path)
    control(app, "Go on from step").set_value(1).run()
    assert "Changed: nothing." in texts(app)
    control(app, "learning_rate").set_value(0.5).run()
    assert "Changed: learning_rate 0.5." in texts(app)
    origin = branched(started(app).config())
    assert (origin.run, origin.step) == (path.name, 1)
    assert [name for name, *_ in origin.changed] == ["learning_rate"]


def tree(app):
    """What the tree of branches shows: each run's id, depth, where it goes on from, and with what change."""
    (data,) = (
        json.loads(part.proto.json) for part in app.get("bidi_component") if "branches" in part.proto.component_name
    )
    return [(row["id"], row["depth"], row["from"], row["changed"]) for row in data["rows"]]


def test_a_branch_waits_in_the_queue_and_stands_in_the_tree_once_it_has_begun(home):
    path = tiny_run(home)
    run = training_run(home)
    app = opened(path)
    control(app, "Go on from step").set_value(1).run()
    assert button(app, "train-branch-start").disabled
    button(app, "train-branch-queue").click().run()
    assert not app.exception
    assert f"{list_runs(path.parent)[-1].title} · from step 1, nothing changed" in texts(app)
    run.stop()
    assert run.wait("stopped", timeout=60)
    app.run()
    button(app, "queue-next").click().run()
    assert not app.exception and queue.waiting() == {}
    new = trainings.get(app.query_params["run"])
    assert new.wait("finished", timeout=60)
    app.session_state[f"train-tree-{new.id}"] = True
    app.run()
    assert tree(app) == [(path.name, 0, "", ""), (new.id, 1, "step 1", "nothing changed")]
    runs = open_page("runs", run=path.name)
    assert tree(runs) == tree(app)


@pytest.mark.parametrize("measured, shown", [(1, "not measured yet"), (2, "2.28 ± 0.11"), (None, "2.28 ± 0.11")])
def test_a_loss_from_before_the_branch_is_not_that_of_the_branch(tmp_path, measured, shown):
    run = RunSummary("20260131120000", tmp_path, "running", 1, loss=2.28, standard_error=0.11, measured_step=measured)
    branch = replace(run, origin=Branched("20260131110000", 1, []))
    assert _row(Relative(branch, 1))["loss"] == shown
    assert _row(Relative(run, 0))["loss"] == "2.28 ± 0.11"


def test_a_branch_that_cannot_start_leaves_the_queue_with_its_reason(home):
    path = tiny_run(home)
    trainings.enqueue(NewBranch(path, 2, {"steps": 2}))
    assert queue.waiting() == {} and trainings.active() == []
    (problem,) = queue.problems()
    assert problem.endswith("steps must be above 2, the step from which the branch goes on, got 2")


def test_a_setting_that_cannot_work_is_named_and_nothing_starts(home):
    path = tiny_run(home)
    app = opened(path)
    control(app, "steps").set_value(3).run()
    assert "steps must be above 3, the step from which the branch goes on, got 3" in texts(app)
    assert not [found for found in app.button if found.key == "train-branch-start"]
    assert {"batch_size", "seed", "optimizer", "d_model"} & {
        field.label.split("`")[-2:][0] for field in app.number_input
    } == set()


def test_a_paused_run_is_stopped_before_its_branch_starts(home):
    run = training_run(home)
    run.pause()
    assert run.wait("paused", timeout=60)
    app = opened(run.folder.path)
    button(app, "train-branch-start").click().run()
    assert not app.exception
    (branch,) = trainings.active()
    assert run.state == "stopped" and branched(branch.folder.config()).run == run.id
    branch.stop()


@pytest.mark.parametrize("keep_state", [True, False])
def test_a_run_without_optimizer_states_or_in_training_has_no_such_section(home, keep_state):
    path = tiny_run(home)
    for state in path.glob("*/trainer.pt"):
        if not keep_state:
            state.unlink()
    app = open_page("train", run=path.name)
    assert ("Continue or branch" in [section.label for section in app.expander]) == keep_state
    assert len(list_runs(path.parent)) == 1
