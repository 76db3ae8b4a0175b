"""Which run goes on from which: as a tree, and as columns of the table."""

from run_folders import change_config, copy_run, new_run

import llm
from llm.runs.listing import list_runs
from llm.runs.origin import tree_of, trees


def goes_on(path, parent, step, **changed):
    change_config(path, lambda config: config.update(branched={"run": parent, "step": step, "changed": changed}))


def in_short(tree):
    return [(found.run.id, found.depth) for found in tree]


def test_runs_that_go_on_from_each_other_are_one_tree_the_earliest_branch_first(tmp_path):
    folder = new_run(tmp_path)
    other, child, second, grandchild, lone = copy_run(folder, 5)
    goes_on(tmp_path / child, folder.id, 50, learning_rate=[0.1, 0.2])
    goes_on(tmp_path / second, folder.id, 8)
    goes_on(tmp_path / grandchild, child, 70, steps=[100, 200])
    goes_on(tmp_path / lone, "20200131120000", 4)
    runs = list_runs(tmp_path)
    expected = [(folder.id, 0), (second, 1), (child, 1), (grandchild, 2)]
    for run_id, _ in expected:
        assert in_short(tree_of(run_id, runs)) == expected
    assert in_short(tree_of(lone, runs)) == [(lone, 0)] and tree_of("nothing", runs) == []
    assert sorted(found.run.id for tree in trees(runs) for found in tree) == sorted(run.id for run in runs)
    assert in_short(tree_of(other, runs)) == [(other, 0)]

    table = llm.runs_table(tmp_path).set_index("id")
    assert tuple(table.loc[grandchild, ["branched_from", "branched_at", "changed"]]) == (
        child, 70, "steps 200 instead of 100",
    )  # fmt: skip
    assert table["branched_from"].isna()[other] and table["changed"][second] == "nothing changed"


def test_runs_that_claim_to_go_on_from_each_other_in_a_circle_are_all_listed_once(tmp_path):
    folder = new_run(tmp_path)
    (other,) = copy_run(folder, 1)
    goes_on(folder.path, other, 3)
    goes_on(tmp_path / other, folder.id, 3)
    assert [len(tree) for tree in trees(list_runs(tmp_path))] == [2]
