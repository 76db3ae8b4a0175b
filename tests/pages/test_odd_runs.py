"""Every page opens whatever a run folder holds, and shows the runs that are intact."""

import itertools
import json
import shutil

import pytest
from app_pages import never_ask, open_page, run_request, texts, tiny_run
from odd_folders import ODD, mutations, put, within
from run_folders import change_config
from starlette.exceptions import HTTPException
from starlette.requests import Request

from components.routes import live
from components.routes import run as run_route
from llm.checkpoints import RunFolder, list_runs

FILES = ["config.json", "metrics.jsonl", "status.json", "text.txt"]
PAGES = ["home", "train", "runs", "generate", "compare", "tokenizer", "attention", "inside", "code"]


def test_every_page_opens_beside_odd_runs_and_says_what_is_wrong(home):
    never_ask(home)
    intact = tiny_run(home)
    outside = home / "outside"
    outside.write_bytes(b"secret")
    said, odd = {}, {}
    for number, (kind, name) in enumerate(itertools.product(ODD, FILES)):
        path = intact.with_name(f"200001010000{number:02}")
        shutil.copytree(intact, path)
        said[path.name] = put(kind, path / name, outside)
        odd[kind] = path.name
    problems = {run.id: run.problem for run in list_runs(home / "checkpoints")}
    assert problems.pop(intact.name) is None
    assert problems.keys() == said.keys()
    assert [run for run in said if said[run] not in problems[run]] == []
    with within(120):
        for page in PAGES:
            open_page(page)
        for page, run in itertools.product(("train", "runs", "generate", "inside", "code"), odd.values()):
            open_page(page, run=run)


@pytest.mark.parametrize("page", ["generate", "inside", "code"])
def test_a_page_of_a_damaged_run_says_why(home, page):
    tiny_run(home)
    odd = tiny_run(home)
    put("a named pipe", odd / "metrics.jsonl", home)
    app = open_page(page, run=odd.name)
    assert "metrics.jsonl is a named pipe" in texts(app)


def test_pages_show_runs_whose_texts_are_not_valid_unicode(home):
    path = tiny_run(home)
    half = "half of a pair: \ud800"
    change_config(path, lambda config: config.update(size=half, prompt=half, text=config["text"] | {"name": half}))
    RunFolder(path).append_sample({"text": "a", "prompt": "b", "step": 1})
    file = path / "samples.jsonl"
    file.write_text(file.read_text().replace('"b"', '"\\ud800"'))
    for page in ("runs", "train", "generate"):
        open_page(page, run=path.name)
    (listed,) = list_runs(path.parent)
    assert (listed.problem, listed.size) == (None, "half of a pair: ?")
    assert RunFolder(path).samples()[0]["prompt"] == "?"


MARKUP = "![leak](http://127.0.0.1:9/leak) **leak** <b>leak</b> :red[leak]"
READ_AS_MARKUP = ("markdown", "caption", "title", "header", "subheader", "info", "warning", "error", "success", "html")


def as_markup(value):
    """JSON with markup in place of every text."""
    if isinstance(value, dict):
        return {name: as_markup(inner) for name, inner in value.items()}
    return MARKUP if isinstance(value, str) else value


@pytest.mark.parametrize("page", PAGES)
def test_no_page_takes_a_text_of_a_run_for_markup(home, page):
    never_ask(home)
    path = tiny_run(home)
    RunFolder(path).append_sample({"text": MARKUP, "prompt": MARKUP, "step": 1})
    damaged = path.with_name("20000101000000")
    shutil.copytree(path, damaged)
    checked = ("model", "training")
    change_config(
        path, lambda config: config.update(as_markup({name: config[name] for name in config.keys() - checked}))
    )
    change_config(damaged, lambda config: config["model"].update({MARKUP: 1}))
    shown = []
    for run in (path.name, damaged.name):
        app = open_page(page, run=run)
        for kind in READ_AS_MARKUP:
            assert [element.value for element in app.get(kind) if "leak" in str(element.value)] == []
        shown += [*app.text, *app.selectbox, *app.text_area, *app.dataframe]
    if page not in ("tokenizer", "compare"):  # there it is in a component
        assert any("leak" in f"{getattr(element, 'options', '')}{element.value}" for element in shown)


def live_request(path) -> Request:
    params = {"kind": "run", "key": path.name}
    return Request({"type": "http", "path_params": params, "query_string": b"", "headers": []})


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "samples.jsonl"])
def test_pages_and_routes_answer_for_runs_with_missing_and_mistyped_fields(home, name):
    never_ask(home)
    path = tiny_run(home)
    file = path / name
    if name == "samples.jsonl":
        sample = {"step": 1, "prompt": "", "text": "a", "sampling": {"temperature": 1.0}, "created": 1.0}
        file.write_text(json.dumps(sample) + "\n")
    lines = file.read_bytes().splitlines() if name.endswith("jsonl") else [file.read_bytes()]
    lines = list(mutations(json.loads(lines[-1])))
    if name == "config.json":  # `test_missing_and_mistyped_fields_hide_no_run` tries them all
        lines = lines[::61]
        for line in lines:
            file.write_bytes(line)
            for page in ("train", "generate"):
                assert not open_page(page, run=path.name).exception
            answer(path)
    else:
        file.write_bytes(b"\n".join(lines) + b"\n")
        for page in ("train", "runs", "generate"):
            app = open_page(page, run=path.name)
            assert not app.exception
        answer(path)


def answer(path) -> None:
    """The routes of the run: JSON, or a sentence."""
    requests = [(live, live_request(path))]
    requests += [(run_route, run_request(path, f"gradient_norms{end}")) for end in ("", ".csv", ".html")]
    for route, request in requests:
        try:
            found = route(request)
        except HTTPException as error:
            assert error.status_code in (400, 404) and "\n" not in error.detail
        else:
            assert found.status_code == 200
