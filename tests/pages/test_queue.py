"""The queue on the page Train: add, see, remove, go on."""

from app_pages import button, open_page, texts, tiny_new_run, tiny_run, training_run

from llm.background import queue, trainings


def test_a_run_waits_is_shown_on_every_page_of_a_run_and_is_removed(home):
    path = tiny_run(home)
    training_run(home)
    form = open_page("train", new="1")
    button(form, "queue-add").click().run()
    button(form, "queue-add").click().run()
    assert not form.exception
    first, second = queue.waiting()
    assert "**Queue** · 2 runs; the first starts when the run that is training has finished" in texts(form)
    assert texts(form).count("gpt small, 450 steps · bpe · training.txt") == 2

    app = open_page("train", run=path.name)
    assert button(app, f"queue-front-{first}").disabled
    button(app, f"queue-front-{second}").click().run()
    assert list(queue.waiting()) == [second, first]
    button(app, f"queue-remove-{first}").click().run()
    assert list(queue.waiting()) == [second] and "**Queue** · 1 run starts" in texts(app)
    button(app, "queue-show").click().run()
    assert app.query_params["run"] == trainings.active()[0].id


def test_a_queue_that_waits_goes_on_with_one_press_and_says_what_could_not_start(home):
    run = training_run(home)
    trainings.enqueue(tiny_new_run(home))
    form = open_page("train", new="1")
    run.stop()
    assert run.wait("stopped", timeout=60)
    queue.report("gpt small, 3 steps: the text is too short")
    form.run()
    assert "**Queue** · 1 run waits" in texts(form)
    assert "those in the queue follow once it has ended" in texts(open_page("train", run=run.id))
    assert "A run of the queue could not be started. gpt small, 3 steps: the text is too short" in texts(form)
    button(form, "queue-dismiss").click().run()
    assert "could not be started" not in texts(form)
    button(form, "queue-next").click().run()
    assert not form.exception
    (next_run,) = trainings.active()
    assert next_run.id != run.id and form.query_params["run"] == next_run.id and queue.waiting() == {}


def test_runs_are_prepared_before_anything_trains(home):
    form = open_page("train")
    for seed in (1, 2):
        field(form, "seed").set_value(seed).run()
        button(form, "queue-add").click().run()
    assert not form.exception and trainings.active() == [] and "**Queue** · 2 runs wait" in texts(form)
    assert [run.training.seed for run in queue.waiting().values()] == [1, 2]


def test_what_was_typed_just_before_the_press_is_in_the_queue(home):
    """The browser sends a field that loses the focus and the press on the button together."""
    form = open_page("train")
    field(form, "seed").set_value(7)
    button(form, "queue-add").click().run()
    assert [run.training.seed for run in queue.waiting().values()] == [7]
    assert "**Queue** · 1 run waits" in texts(form)


def field(app, name: str):
    return next(number for number in app.number_input if number.label.endswith(f"`{name}`"))
