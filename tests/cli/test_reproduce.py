import json
import shutil
import signal

import pytest
from run_folders import change_config, change_rows

from llm.cli import main
from llm.config import TrainingConfig
from llm.presets import preset
from llm.training import reproduction
from llm.training.setup import start_run

TEXT = "a red fox saw a red bird\n" * 40
TRAINING = TrainingConfig(steps=3, batch_size=2, eval_every=2, eval_windows=2, sample_tokens=4, device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    config = preset("gpt", d_vocab=1, d_model=8, n_layers=1, n_heads=2, n_ctx=8)
    trainer = start_run(config, TRAINING, "char", TEXT, "foxes.txt", tmp_path_factory.mktemp("trained"))
    list(trainer)
    return trainer.folder.path


@pytest.fixture
def changed(trained, tmp_path):
    """A copy whose loss at step 2 was another, on another processor."""
    path = shutil.copytree(trained, tmp_path / trained.name)
    change_rows(path, lambda rows: rows[2].update(loss=2.5))
    change_config(path, lambda config: config["conditions"].update(processor="Z80"))
    return path


@pytest.mark.parametrize("words", [["{run}"], ["--run", "{run}"], ["--steps", "3", "{run}"]])
def test_a_reproduced_run(words, trained, capsys):
    assert main(["reproduce", *(word.format(run=trained) for word in words)]) == 0
    assert capsys.readouterr() == ("Identical through step 3.\n", "")


def test_a_run_id_and_fewer_steps(trained, capsys):
    words = [trained.name, "--checkpoints-dir", str(trained.parent), "--steps", "1"]
    assert main(["reproduce", *words]) == 0
    assert capsys.readouterr().out == "Identical through step 1.\n"


def test_a_run_that_differs(changed, capsys):
    assert main(["reproduce", str(changed)]) == 1
    out, errors = capsys.readouterr()
    assert out.startswith("Differs first at step 2: loss was 2.5, and is ")
    assert "What is different here: processor Z80, here " in out
    assert errors == ""


def test_as_json(trained, changed, capsys):
    assert main(["reproduce", str(trained), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "step": 3, "last_step": 3, "difference": None, "changed_conditions": [], "resumed": [],
    }  # fmt: skip
    assert main(["reproduce", str(changed), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["step"], found["difference"]["what"], found["difference"]["recorded"]) == (2, "loss", 2.5)
    assert len(found["changed_conditions"]) == 1


@pytest.mark.parametrize(("words", "problem"), [
    ([], "--run is required"), (["nowhere"], "is not a run folder"), (["{run}", "--steps", "-1"], "at least 0"),
    (["{run}", "{run}"], "Unrecognized"),
])  # fmt: skip
def test_what_cannot_work_is_one_sentence(words, problem, trained, capsys):
    assert main(["reproduce", *(word.format(run=trained) for word in words)]) == 2
    out, errors = capsys.readouterr()
    assert problem in errors
    assert errors.count("\n") == 1
    assert out == ""


def test_ctrl_c_ends_quietly_and_leaves_nothing(trained, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    take_step = reproduction._take_step

    def interrupted(trainer, step):
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return take_step(trainer, step)

    monkeypatch.setattr(reproduction, "_take_step", interrupted)
    assert main(["reproduce", str(trained)]) == 130
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
