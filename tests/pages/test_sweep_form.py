"""A sweep from the form of a new run: combinations that fill the queue."""

from app_pages import button, open_page, texts

from llm.background import queue, trainings


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
