"""A sweep from the form of a new run: combinations that fill the queue."""

import shlex
import shutil
from pathlib import Path

from app_pages import button, open_page, texts, tiny_new_run, tiny_run

from components.run_sweep import example
from llm.background import queue, trainings
from llm.checkpoints import RunFolder, list_runs
from llm.config import ModelConfig, TrainingConfig, describe
from llm.training.values import read_values


def opened():
    app = open_page("train", new="1")
    app.session_state["sweep"] = True
    return app.run()


def fill(app, row: int, name: str, values: str):
    next(box for box in app.selectbox if box.key == f"sweep-name-{row}").set_value(name)
    next(box for box in app.text_input if box.key == f"sweep-values-{row}").set_value(values).run()
    assert not app.exception


def test_every_combination_is_listed_and_waits(home):
    app = opened()
    assert button(app, "sweep-add").disabled
    fill(app, 0, "architecture", "gpt, llama")
    fill(app, 1, "seed", "0, 1")
    assert button(app, "sweep-add").label == "Add 4 runs to the queue"
    assert "llama small + seed 1, 450 steps" in texts(app)
    button(app, "sweep-add").click().run()
    assert not app.exception
    (run,) = trainings.active()  # the first trains at once, the others wait
    assert (run.trainer.config.seed, run.folder.config().raw["architecture"]) == (0, "gpt")
    assert [(new.architecture, new.training.seed) for new in queue.waiting().values()] == [
        ("gpt", 1), ("llama", 0), ("llama", 1),
    ]  # fmt: skip


def test_what_cannot_be_tried_is_one_sentence(home):
    app = opened()
    fill(app, 0, "seed", "0, x")
    assert "seed must be an integer, got 'x'" in texts(app)
    fill(app, 0, "n_heads", "3")
    assert "n_heads=3: n_heads must divide d_model=128 unless d_head is given, got 3" in texts(app)
    fill(app, 0, "seed", ",".join(map(str, range(101))))
    assert "These are 101 runs: at most 100 can be added at once" in texts(app)
    fill(app, 0, "d_mlp", "100000000")
    assert "Training this model takes about" in texts(app) and "choose a smaller model" in texts(app)
    assert "sweep-add" not in {found.key for found in app.button}


def of_run(path):
    """The form with the settings of a run, and its sweep of two seeds."""
    app = open_page("runs", run=path.name)
    button(app, "runs-duplicate").click().run()
    app.switch_page("train.py")
    app.query_params["new"] = "1"
    app.session_state["sweep"] = True
    app.run()
    fill(app, 0, "seed", "0, 1")
    return app


def test_a_sweep_shows_what_has_come_of_it_and_trains_only_what_is_left(home):
    path = tiny_run(home)
    app = of_run(path)
    (table,) = app.dataframe
    assert list(table.value["finished"]) == ["1 of 2"] and "±" not in table.value["validation loss"][0]
    button(app, "sweep-add").click().run()
    (run,) = trainings.active() or [trainings.get(list_runs(path.parent)[0].id)]
    assert run.wait("finished", timeout=60) and run.trainer.config.seed == 1 and queue.waiting() == {}
    app.run()
    (table,) = app.dataframe
    assert list(table.value["finished"]) == ["2 of 2"] and "±" in table.value["bits per character"][0]
    (link,) = [found.proto for found in app.get("page_link") if found.proto.label == "Compare these 2"]
    assert path.name in link.query_string and run.id in link.query_string
    button(app, "sweep-add").click().run()
    assert queue.waiting() == {} and len(list_runs(path.parent)) == 2
    (again,) = opened().dataframe  # in another tab, by opening the section alone
    assert again.value.equals(table.value)


def test_what_is_typed_just_before_the_press_is_in_the_sweep(home):
    app = of_run(tiny_run(home))
    next(box for box in app.text_input if box.key == "sweep-values-0").set_value("0, 1, 2")
    button(app, "sweep-add").click().run()
    assert not app.exception
    assert 2 in [run.training.seed for run in queue.waiting().values()]


def test_every_setting_has_values_to_try_as_an_example(home):
    chosen = tiny_new_run(home)
    for name in ("architecture", "size", "tokenizer", *describe(TrainingConfig), *describe(ModelConfig)):
        text = example(name, chosen)
        assert not text or len(read_values(name, text)) >= 2
    assert (example("architecture", chosen), example("steps", chosen)) == ("gpt, llama", "50000, 100000")


def test_a_run_of_a_sweep_that_was_interrupted_goes_on(home):
    path = tiny_run(home)
    folder = RunFolder(path)
    (path / "final_model.safetensors").unlink()
    for snapshot in ("step_000003", "step_000002"):
        shutil.rmtree(path / snapshot, ignore_errors=True)
    folder.write_status("stopped", "", 1)
    app = of_run(path)
    button(app, "sweep-add").click().run()
    assert not app.exception
    (waiting,) = queue.waiting().values()  # seed 1, behind the one that goes on
    run = trainings.get(path.name)
    assert run is not None and waiting.training.seed == 1


def test_the_commands_train_the_same_runs_elsewhere(home):
    app = of_run(tiny_run(home))
    first, second = next(part.value for part in app.code if "llm train" in part.value).splitlines()
    assert "--array=1-2" in "".join(part.value for part in app.code)
    words = shlex.split(second)
    given = dict(zip(words[4::2], words[5::2], strict=False))
    assert words[:4] == ["uv", "run", "llm", "train"] and given["--seed"] == "1" and "--seed" not in first
    next(box for box in app.number_input if box.label.endswith("`test_fraction`")).set_value(0.0).run()
    first, second = next(part.value for part in app.code if "llm train" in part.value).splitlines()
    assert "--test-fraction 0.0" in first and "--test-fraction 0.0" in second
    assert given["--d-model"] == "8" and Path(given["--data"]).name == "hens.txt"
