"""What the page Generate tells of a text: how each token was chosen, and files with everything it was made of."""

import asyncio
import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from app_pages import button, newest_text, open_page, texts, tiny_run
from asked_routes import answer, ask
from streamlit.testing.v1 import AppTest

from llm.background import generations
from llm.checkpoints import RunFolder, load_run
from llm.config import SamplingConfig
from llm.sampling import stream

ALL = SamplingConfig(6, repetition_penalty=1.2, temperature=0.7, top_k=9, top_p=0.95, min_p=0.01)


def written(path, config=ALL) -> generations.Generation:
    """A text of this run, complete."""
    text = generations.start(path, None, "The hen", config)
    text.thread.join(60)
    assert text.state == "finished"
    return text


def get(text, what="", query=""):
    status, content = asyncio.run(answer(f"/live/generation/{text.id}{what}", query))
    assert status == 200
    return content


def test_a_token_is_told_with_every_filter_that_is_on_by_its_plain_name(home):
    text = written(tiny_run(home))
    told = json.loads(get(text, "/token", "position=2"))
    assert (told["position"], told["id"]) == (2, text.tokens[2].id)
    assert [(stage["name"], stage["value"]) for stage in told["stages"]] == [
        ("The model", ""), ("Repetition penalty", "1.2"), ("Temperature", "0.7"), ("Likeliest tokens", "9"),
        ("Share of probability", "0.95"), ("Least probability", "0.01"),
    ]  # fmt: skip
    assert told["stages"][-1]["probabilities"] == list(text.tokens[2].stages[-1].probabilities)


@pytest.mark.parametrize("query", ["position=6", "position=-1", "position=x", "position=1e9"])
def test_a_token_that_the_text_does_not_have_is_refused(home, query):
    assert asyncio.run(ask(f"/live/generation/{written(tiny_run(home)).id}/token", query)) == 400


def test_the_files_hold_the_text_and_all_that_generates_it_again(home):
    path = tiny_run(home)
    text = written(path)
    assert get(text, "/text").decode() == text.text
    record = json.loads(get(text, "/json"))
    run = load_run(path, record["step"])
    again = stream(run.model, run.tokenizer, record["prompt"], SamplingConfig(**record["sampling"]))
    assert record["prompt"] + "".join(token.text for token in again) == text.text
    assert len(record["tokens"]) == 6 and record["run"] == path.name
    (kept,) = run.folder.samples()
    del record["tokens"], kept["created"]
    assert kept == record


def forked(text, position, token) -> generations.Generation:
    made = generations.fork(text, position, token)
    made.thread.join(60)
    assert made.state == "finished"
    return made


def test_forks_keep_what_comes_before_and_are_a_tree(home):
    path = tiny_run(home)
    text = written(path)
    ids = [token.id for token in text.tokens]
    first, second = (next(other.id for other in text.tokens[at].alternatives if other.id != ids[at]) for at in (1, 4))
    late, early = forked(text, 4, second), forked(text, 1, first)
    assert [token.id for token in late.tokens][:5] == [*ids[:4], second]
    assert [token.id for token in early.tokens][:2] == [ids[0], first]
    again = forked(early, 3, second)  # before which the first choice stands
    assert again.choices == {1: first, 3: second}
    assert again.tokens[:3] == early.tokens[:3]
    assert forked(late, 1, first) is early  # from either branch, a choice before its own leads to the same text
    tree = [(depth, branch.id) for depth, branch in generations.branches(again)]
    assert tree == [(0, text.id), (1, early.id), (2, again.id), (1, late.id)]
    shown = json.loads(get(again))["branches"]
    assert [(branch["depth"], branch["id"]) for branch in shown] == tree
    assert shown[2]["position"] == 3 and shown[2]["token"] == load_run(path).tokenizer.token_text(second)
    written(path)  # with another seed: no branch of these
    assert len(generations.branches(text)) == 4
    record = json.loads(get(again, "/json"))
    run, choices = load_run(path), {int(at): token for at, token in record["choices"].items()}
    assert tuple(stream(run.model, run.tokenizer, "The hen", again.config, choices=choices)) == tuple(again.tokens)


SETTINGS = {  # none is its default
    "max_new_tokens": 7, "repetition_penalty": 1.25, "temperature": 0.5, "top_k": 9, "top_p": 0.95, "min_p": 0.125,
    "seed": 11, "stop": ("zz", "**b**"),
}  # fmt: skip


def control(app: AppTest, name: str):
    """The control of a setting."""
    kind = "text_area" if name == "stop" else "number_input"
    return next(element for element in app.get(kind) if element.label.endswith(f"`{name}`"))


def settings(app: AppTest) -> dict[str, object]:
    values = {name: control(app, name).value for name in SETTINGS}
    return values | {"stop": tuple(values["stop"].split("\n"))}


def address(app: AppTest) -> dict[str, str]:
    return {name: value if isinstance(value, str) else value[0] for name, value in app.query_params.items()}


def shown(app: AppTest, path) -> generations.Generation:
    """The text that the tab shows, complete."""
    text = generations.get(app.session_state[f"generate-text-{path.name}"])
    text.thread.join(60)
    return text


def write_with_every_setting(path) -> AppTest:
    app = open_page("generate", run=path.name, prompt="The hen", step="2")
    for name, value in SETTINGS.items():
        control(app, name).set_value("\n".join(value) if name == "stop" else value)
    app.run()
    button(app, "generate-start").click().run()
    assert not app.exception and shown(app, path).state == "finished"
    return app


def test_a_link_opens_the_same_text_with_every_setting_also_after_a_restart(home):
    path = tiny_run(home)
    app = write_with_every_setting(path)
    text = forked(shown(app, path), 2, 3)
    app.session_state[f"generate-text-{path.name}"] = text.id
    app.run()
    link = address(app)
    assert link["written"] == "11.2-3"
    again = open_page("generate", **link)
    assert shown(again, path) is text and settings(again) == SETTINGS and address(again) == link
    generations._registry().clear()
    after_restart = open_page("generate", **link)
    made = shown(after_restart, path)
    assert made is not text and (made.text, made.config, made.step) == (text.text, SamplingConfig(**SETTINGS), 2)
    samples = load_run(path).folder.samples()
    assert len(samples) == 2  # of which neither was written twice


def test_the_copied_link_opens_that_text_with_its_step_and_settings_not_the_newest(home):
    path = tiny_run(home)
    text = forked(shown(write_with_every_setting(path), path), 2, 3)
    copied = dict(parse_qsl(urlsplit(json.loads(get(text))["link"]).query))
    newer = written(path, SamplingConfig(5, seed=1))
    again = open_page("generate", **copied)
    assert shown(again, path) is text and settings(again) == SETTINGS
    assert address(again) == copied and copied["step"] == "2" and copied["written"] == "11.2-3"
    del copied["written"]
    without = open_page("generate", **copied | {"top_k": "3"})  # with which nothing was written
    assert f"generate-text-{path.name}" not in without.session_state and newest_text(path) is newer


def test_a_tab_begins_with_the_newest_text_of_its_settings(home):
    path = tiny_run(home)
    text = written(path, SamplingConfig(5))
    written(path, SamplingConfig(5, temperature=0.1))
    assert shown(open_page("generate", run=path.name, prompt="The hen", max_new_tokens="5"), path) is text


def test_without_a_seed_the_link_has_the_one_that_was_drawn(home):
    path = tiny_run(home)
    app = open_page("generate", run=path.name, prompt="The hen", max_new_tokens="5")
    button(app, "generate-start").click().run()
    text = shown(app, path)
    assert address(app)["written"] == str(text.config.seed) and "seed" not in address(app)
    link = address(app)
    control(app, "temperature").set_value(0.5).run()
    assert "written" not in address(app)  # the text was not written with this
    generations._registry().clear()
    assert shown(open_page("generate", **link), path).text == text.text


def test_a_kept_text_is_opened_with_its_settings(home):
    path = tiny_run(home)
    text = forked(shown(write_with_every_setting(path), path), 2, 3)
    generations._registry().clear()
    app = open_page("generate", run=path.name)
    app.session_state["generate-kept"] = True  # opened by hand
    app.run()
    control(app, "temperature").set_value(1.5).run()
    newest = next(element for element in app.button if element.label == "Open with its settings")
    newest.click().run()
    assert not app.exception
    assert settings(app) == SETTINGS and shown(app, path).text == text.text
    assert address(app)["written"] == "11.2-3" and address(app)["step"] == "2" and address(app)["prompt"] == "The hen"


def test_another_checkpoint_writes_beside_the_text_with_its_seed(home):
    path = tiny_run(home)
    app = open_page("generate", run=path.name, prompt="The hen", max_new_tokens="5", beside=f"{path.name}.0")
    assert not app.exception and app.get("select_slider") == []
    button(app, "generate-start").click().run()
    slider = app.select_slider[0]
    assert slider.options[0] == "untrained" and slider.value == 0
    last = load_run(path).folder.snapshots()[-1]
    slider.set_value(last).run()
    assert address(app)["beside"] == f"{path.name}.{last}"
    text = shown(app, path)
    family = [other for other in generations._registry().values() if other.path == path]
    for other in family:
        other.thread.join(60)
    assert {other.config for other in family} == {text.config}
    assert sorted({(other.step, other.state) for other in family}) == [(0, "finished"), (last, "finished")]
    assert len(load_run(path).folder.samples()) == 1  # those beside it are shown, not kept
    untrained = next(other for other in family if other.step == 0)
    assert untrained.tokens[0].model_probability != text.tokens[0].model_probability


@pytest.mark.parametrize(
    ("written", "beside"),
    [("x", ""), ("-1", "x.y"), ("1.2-3-4", "../../etc.3"), ("9" * 40, "20200101000000.7"), ("1..2-3", "<img>")],
)
def test_a_link_that_names_no_text_opens_without_one(home, written, beside):
    path = tiny_run(home)
    app = open_page("generate", run=path.name, written=written, beside=beside)
    assert f"generate-text-{path.name}" not in app.session_state
    button(app, "generate-start").click().run()
    assert not app.exception and shown(app, path).state == "finished"


def test_a_link_to_tokens_that_the_vocabulary_does_not_have_says_so(home):
    path = tiny_run(home)
    text = shown(open_page("generate", run=path.name, written="5.9-99999"), path)
    assert text.state == "failed" and "choices must be tokens below" in text.message


def test_a_link_starts_no_long_text_and_finds_one_that_was_started(home):
    path = tiny_run(home)
    link = {"run": path.name, "prompt": "The hen", "written": "5", "max_new_tokens": "9007199254740991"}
    app = open_page("generate", **link)
    assert f"generate-text-{path.name}" not in app.session_state and not newest_text(path)
    assert "A link starts a text of at most 2,000 tokens" in texts(app)
    settings = SamplingConfig(max_new_tokens=int(link["max_new_tokens"]), seed=5)
    begun = generations.start(path, None, "The hen", settings)
    begun.stop()  # after a token
    assert shown(open_page("generate", **link), path) is begun and begun.state == "stopped"


def test_the_steps_say_on_what_their_loss_was_measured_and_which_has_the_lowest(home):
    path = tiny_run(home)
    app = open_page("generate", run=path.name)
    options = next(box for box in app.selectbox if box.label == "Step").options
    assert options[0].startswith("The end of the run · validation loss") and options[0].endswith("on all of it")
    rows = [row for row in RunFolder(path).read_metrics().rows if row.get("evaluation")]
    lowest = min(rows, key=lambda row: row["evaluation"]["loss"])["step"]
    marked = [option for option in options if option.endswith("on some passages · the lowest")]
    assert len(marked) == 1 and marked[0].startswith(f"Step {lowest} ")
