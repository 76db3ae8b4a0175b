"""The page Compare: which runs it shows, how, what it warns of, and what the runs write."""

import json
import shutil

import pytest
from app_pages import button, newest_text, open_page, texts, tiny_run
from odd_folders import mutations
from run_folders import change_config
from starlette.exceptions import HTTPException
from starlette.requests import Request

from components.routes import live
from llm.checkpoints import RunFolder
from llm.comparison.curves import AXES
from llm.comparison.fairness import unfair
from llm.comparison.run import read_run
from llm.tokenizers.char import CharTokenizer


@pytest.fixture
def runs(home):
    """Three runs, the newest last, that differ in their seed."""
    first = tiny_run(home)
    paths = [first.rename(first.with_name("20260131120001"))]
    for number in (2, 3):
        paths.append(paths[0].with_name(f"2026013112000{number}"))
        shutil.copytree(paths[0], paths[-1])
        change_config(paths[-1], lambda config, seed=number: config["training"].update(seed=seed))
    return paths


def address(app, name):
    value = app.query_params.get(name, "")
    return value if isinstance(value, str) else value[0]


def select(app):
    return next(box for box in app.multiselect if box.label == "Runs")


def control(app, kind, label):
    return next(element for element in app.get(kind) if element.label.endswith(label))


def request(key, what=None):
    params = {"kind": "comparison", "key": key} | ({"what": what} if what else {})
    return Request({"type": "http", "path_params": params, "query_string": b"", "headers": []})


def key_of(*paths):
    return ".".join(path.name for path in paths)


def test_without_a_run_or_with_one_the_page_leads_to_training(home):
    assert "needs two trained models" in texts(open_page("compare"))
    path = tiny_run(home)
    app = open_page("compare")
    assert "A comparison needs at least two" in texts(app)
    assert address(app, "runs") == path.name


def test_the_two_newest_runs_come_first_and_the_address_keeps_what_is_chosen(runs):
    app = open_page("compare")
    assert address(app, "runs") == key_of(runs[2], runs[1])
    select(app).set_value([runs[0].name, runs[2].name]).run()
    assert address(app, "runs") == key_of(runs[0], runs[2])
    control(app, "button_group", "Draw by").set_value("flops").run()
    control(app, "toggle", "Logarithmic horizontally").set_value(True).run()
    control(app, "toggle", "One band for runs that differ only in their seed").set_value(True).run()
    kept = {name: address(app, name) for name in ("runs", "axis", "log", "band")}
    again = open_page("compare", **kept)
    assert {name: address(again, name) for name in kept} == kept == kept | {"axis": "flops", "log": "x", "band": "1"}


def test_a_choice_survives_that_labels_change_while_a_run_trains(runs):
    app = open_page("compare", runs=key_of(*runs[:2]))
    labels = select(app).options
    RunFolder(runs[0]).write_status("running", "", 40)
    select(app).set_value([runs[0].name, runs[2].name])
    app.run()
    assert not app.exception and labels
    assert address(app, "runs") == key_of(runs[0], runs[2])


def test_runs_of_a_link_that_are_gone_or_damaged_are_named_and_the_others_shown(runs):
    change_config(runs[1], lambda config: config["model"].pop("d_vocab"))
    app = open_page("compare", runs=f"{key_of(*runs)}.20200101000000")
    assert "There is no run 20200101000000" in texts(app)
    assert "ModelConfig lacks d_vocab" in texts(app)
    assert address(app, "runs") == key_of(runs[0], runs[2])
    assert control(app, "button_group", "Draw by").value == "step"  # of the two that are left


@pytest.mark.parametrize("given", ["<img src=x>", "20260131120001.20260131120001", ".", "1" * 5000])
def test_a_link_that_names_no_runs_is_explained(runs, given):
    app = open_page("compare", runs=given)
    assert "This link does not name runs as it should" in texts(app)


def test_other_tokenizers_are_compared_in_bits_per_character_and_the_page_says_why(runs):
    assert control(open_page("compare", runs=key_of(*runs[:2])), "button_group", "Loss in").value == "nats"
    CharTokenizer.train("The hen sat on the gate.\nThe fox sat under it & waited.\n\n?").save(runs[1])
    app = open_page("compare", runs=key_of(*runs[:2]))
    unit = control(app, "button_group", "Loss in")
    assert unit.value == "bits"
    assert "bits per character count the same text" in texts(app)
    assert "Compare with care" not in texts(app)
    unit.set_value("nats").run()
    assert "The tokenizers differ (A: char of" in texts(app)
    assert address(app, "unit") == "nats"


def test_a_run_that_still_trains_is_shown_with_a_warning(runs):
    RunFolder(runs[0]).truncate_metrics(2)
    app = open_page("compare", runs=key_of(*runs[:2]))
    assert "Not every run has reached the end of its schedule (A: step 2 of 3)" in texts(app)


def test_the_routes_answer_with_the_figures_of_the_runs_and_name_files_after_them(runs):
    answer = json.loads(live(request(key_of(*runs))).body)
    assert [run["run"] for run in answer["runs"]] == ["A", "B", "C"]
    assert len({run["label"] for run in answer["runs"]}) == 3
    rows = RunFolder(runs[0]).read_metrics().rows
    training = answer["runs"][0]["curves"]["training"]
    assert training["nats"] == [row["loss"] for row in rows if row["loss"] is not None]
    assert [group["runs"] for group in answer["bands"]] == [["A", "B", "C"]]
    assert [row["field"] for row in answer["differences"]] == ["seed"]
    for name in ("curves", "bands", "settings", "skills"):
        csv = live(request(key_of(*runs[:2]), f"{name}.csv"))
        assert f'filename="compare-{runs[0].name}-{runs[1].name}-{name}.csv"' in csv.headers["content-disposition"]
    assert live(request(key_of(*runs), "settings.csv")).body.decode().splitlines()[0] == "field,help,A,B,C"


def test_the_curves_of_a_run_that_trains_grow(runs):
    key = key_of(*runs[:2])
    assert not json.loads(live(request(key)).body)["training"]
    folder = RunFolder(runs[1])
    folder.lock()
    try:
        folder.write_status("running", "", 3)
        before = json.loads(live(request(key)).body)
        folder.append_metrics({"step": 4, "loss": 1.25, "tokens": 1, "seconds": 1.0})
        after = json.loads(live(request(key)).body)
    finally:
        folder.unlock()
    assert before["training"] and before["runs"][1]["state"] == "running"
    assert after["runs"][1]["curves"]["training"]["nats"] == before["runs"][1]["curves"]["training"]["nats"] + [1.25]


def test_runs_whose_files_hold_anything_are_compared_by_what_is_known(runs):
    """Whatever config.json says beside the two configs, and metrics.jsonl at its end."""
    config = json.loads((runs[1] / "config.json").read_bytes())
    beside = {part: value for part, value in config.items() if part not in ("model", "training")}
    first = read_run(runs[0], "A")
    for changed in list(mutations(beside))[::7]:
        (runs[1] / "config.json").write_bytes(json.dumps(config | json.loads(changed)).encode())
        read = [first, read_run(runs[1], "B")]
        for axis in AXES:
            unfair(read, axis, "nats")
        assert live(request(key_of(*runs[:2]))).status_code == 200
    (runs[1] / "config.json").write_text(json.dumps(config))
    *lines, last = (runs[1] / "metrics.jsonl").read_bytes().splitlines()
    for changed in list(mutations(json.loads(last)))[::5]:
        (runs[1] / "metrics.jsonl").write_bytes(b"\n".join([*lines, changed, b""]))
        for what in (None, "curves.csv"):
            assert live(request(key_of(*runs[:2]), what)).status_code == 200


@pytest.mark.parametrize("key", ["..", "20200101000000", "x" * 300, "", ".".join(["20200101000000"] * 9)])
def test_a_route_of_no_runs_refuses(home, key):
    with pytest.raises(HTTPException) as refused:
        live(request(key))
    assert refused.value.status_code in (400, 404)


@pytest.mark.parametrize(
    ("given", "shown"),
    [("7", 7), ("None", None), ("x", 0), ("-1", 0), ("9" * 5000, 0), (str(2**60), 0), ("[" * 99, 0), ("1.5", 0)],
)
def test_a_link_opens_with_its_seed_unless_that_is_none(runs, given, shown):
    app = open_page("compare", runs=key_of(*runs[:2]), seed=given, temperature="nan")
    assert control(app, "number_input", "`seed`").value == shown
    assert control(app, "number_input", "`temperature`").value == 0.8


def test_settings_of_the_texts_are_kept_in_the_address(runs):
    app = open_page("compare", runs=key_of(*runs[:2]))
    control(app, "number_input", "`seed`").set_value(5).run()
    control(app, "number_input", "`temperature`").set_value(0.5).run()
    assert (address(app, "seed"), address(app, "temperature"), address(app, "max_new_tokens")) == ("5", "0.5", "")


def test_without_a_seed_all_runs_get_the_same_new_one(runs):
    app = open_page("compare", runs=key_of(*runs[:2]), seed="None", max_new_tokens="3")
    seeds = []
    for _ in range(2):
        button(app, "compare-generate").click().run()
        written = [newest_text(path) for path in runs[:2]]
        for generation in written:
            generation.thread.join(60)
        assert written[0].config == written[1].config and written[0].config.max_new_tokens == 3
        seeds.append(written[0].config.seed)
    assert None not in seeds and seeds[0] != seeds[1]


def test_each_run_continues_the_same_prompt_with_the_same_seed(runs):
    app = open_page("compare", runs=key_of(*runs[:2]), prompt="The hen", step="2")
    control(app, "number_input", "`max_new_tokens`").set_value(5).run()
    button(app, "compare-generate").click().run()
    assert not app.exception
    written = [newest_text(path) for path in runs[:2]]
    for generation in written:
        generation.thread.join(60)
    assert [(text.state, text.step, text.prompt, text.config.seed) for text in written] == [
        ("finished", 2, "The hen", 0)
    ] * 2
    assert written[0].text == written[1].text  # the same weights
    assert newest_text(runs[2]) is None
