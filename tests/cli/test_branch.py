"""`llm branch`: go on from a snapshot of a run with settings changed."""

import json
import shutil
from pathlib import Path

from command_line import ENGLISH, copied, said_by, train

from llm.checkpoints import RunFolder, list_runs
from llm.cli import main


def test_more_steps_continue_a_finished_run(trained, capsys):
    path = copied(trained)
    assert main(["branch", path.name, "--steps", "5"]) == 0
    shown = capsys.readouterr()
    assert f"Continued from run {path.name} at step 3, with steps 5 instead of 3." in shown.out and shown.err == ""
    assert "The schedule is that of a run of 5 steps from now on: in step 4" in shown.out
    assert RunFolder(path).status().step == 3
    assert (list_runs()[0].step, list_runs()[0].state) == (5, "finished")


def test_a_twin_starts_at_any_snapshot(trained, capsys):
    path = copied(trained)
    assert main(["branch", str(path), "--at", "1", "--learning-rate", "0.5", "--grad-clip", "0.1"]) == 0
    changed = RunFolder(list_runs()[0].path).config().raw["branched"]
    assert changed["step"] == 1 and set(changed["changed"]) == {"learning_rate", "grad_clip"}
    assert "grad_clip 0.1 instead of 1.0" in capsys.readouterr().out
    assert main(["reproduce", list_runs()[0].path.name]) == 0
    assert "Identical from step 1 on, where it branched off, through step 3." in capsys.readouterr().out


def test_a_script_reads_the_new_run_and_the_tree(trained, capsys):
    path = copied(trained)
    assert main(["branch", path.name, "--at", "1", "--learning-rate", "0.5", "--json"]) == 0
    shown = capsys.readouterr()
    [line] = shown.out.splitlines()
    run = json.loads(line)
    assert (run["branched_from"], run["branched_at"], run["state"]) == (path.name, 1, "finished")
    assert run["changed"].startswith("learning_rate 0.5 instead of ") and shown.err == ""
    assert main(["runs", "--tree"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"{path.name} ") and lines[2].startswith(f"  {run['id']} ") and "step 1" in lines[2]
    assert "--tree cannot be combined with --json" in said_by(capsys, ["runs", "--tree", "--json"], 2)


def test_a_branch_of_a_run_on_several_files_reads_the_same_token_cache(capsys):
    Path("other.txt").write_text(ENGLISH.replace("fox", "hen"))
    path = train("--data", "foxes.txt", "other.txt")
    shutil.rmtree(path.parent / "tokens")  # it is made again from the files
    assert main(["branch", str(path), "--at", "1"]) == 0
    files = [RunFolder(run.path).weights_file("final") for run in list_runs()]
    assert len(files) == 2 and files[0].read_bytes() == files[1].read_bytes()
    capsys.readouterr()
    assert f"went on from run {path.name} on a large text" in said_by(
        capsys, ["reproduce", str(list_runs()[0].path)], 2
    )


def test_what_cannot_be_branched_is_one_clear_sentence(trained, capsys):
    path = copied(trained)
    assert "--run is required" in said_by(capsys, ["branch"], 2)
    assert "nowhere is not a run folder" in said_by(capsys, ["branch", "nowhere"], 2)
    assert "steps must be above 3" in said_by(capsys, ["branch", str(path)], 2)
    assert "it has an optimizer state of these steps: 0, 1, 2, 3" in said_by(
        capsys, ["branch", str(path), "--at", "7"], 2
    )
    assert "--d-model" in said_by(capsys, ["branch", str(path), "--d-model", "8"], 2)
    assert [run.path for run in list_runs()] == [path]


def test_help_lists_what_can_be_changed_and_nothing_else(capsys):
    assert main(["branch", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--learning-rate" in shown and "--dropout" in shown
    assert "--d-model" not in shown and "--batch-size" not in shown
