"""A run measured by lm-eval, offline, where the package is there: only CI installs it."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from random_runs import trained_run

from llm.checkpoints import load_run
from llm.cli import main
from llm.config import SamplingConfig
from llm.interop import harness
from llm.loss import token_losses
from llm.runs.task_metrics import TaskMetric, read_task_metrics, write_task_metrics
from llm.sampling import generate
from llm.world import generate as world_text
from llm.world.skills import skills

TEXT = world_text(seed=1, size=20_000)
METRIC = TaskMetric(1, "story_world_riddles", "acc", 0.5, 0.1, 50)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A finished run of one step on the story world's text."""
    return trained_run(tmp_path_factory.mktemp("runs"), TEXT)


def request(*args: object) -> SimpleNamespace:
    return SimpleNamespace(args=args)


def test_a_continuation_has_the_sum_of_its_tokens_log_probabilities(path):
    run = load_run(path)
    answers = harness.HarnessModel(run).loglikelihood(
        [request("The fox saw", " a hen and a goose"), request("", "Pip"), request("word " * 90, "x " * 40)]
    )
    read, more = (run.tokenizer.encode(text) for text in ("The fox saw", " a hen and a goose"))
    with torch.no_grad():
        logits = run.model(torch.tensor([[*read, *more[:-1]]]))[0, -len(more) :]
    assert answers[0][0] == pytest.approx(-token_losses(logits, torch.tensor(more)).sum().item(), rel=1e-5)
    assert answers[0][1] == bool((logits.argmax(dim=-1) == torch.tensor(more)).all())
    likeliest = run.tokenizer.decode([int(logits[0].argmax())])
    if len(run.tokenizer.encode(likeliest)) == 1:
        assert harness.HarnessModel(run).loglikelihood([request("The fox saw", likeliest)])[0][1]
    assert all(math.isfinite(log) for log, _ in answers)


def test_the_likeliest_text_ends_where_a_task_says(path):
    run = load_run(path)
    options = {"until": [], "max_gen_toks": 12}
    [free] = harness.HarnessModel(run).generate_until([request("The fox", options)])
    config = SamplingConfig(max_new_tokens=12, temperature=0)
    assert "The fox" + free == generate(run.model, run.tokenizer, "The fox", config)
    end = free[len(free) // 2]
    [cut] = harness.HarnessModel(run).generate_until([request("The fox", options | {"until": [end]})])
    assert cut == free[: free.index(end)]


def test_the_tasks_of_this_project_give_the_figures_of_this_project(path, capsys):
    pytest.importorskip("lm_eval")
    words = ["evaluate", str(path), "--tasks", "story_world_riddles", "run_text", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    figures = {(row["task"], row["metric"]): row for row in found["metrics"]}
    run = load_run(path)
    riddles = figures["story_world_riddles", "acc"]
    assert riddles["value"] == skills(run.model, run.tokenizer, harness.PAIRS, names=["riddles"])["riddles"].accuracy
    assert riddles["documents"] == harness.PAIRS and riddles["standard_error"] > 0
    text = harness._validation_text(run)
    tokens = run.tokenizer.encode("\n" + text)
    nats = 0.0
    with torch.no_grad():
        for first in range(0, len(tokens) - 1, 32):
            window = tokens[first : first + 33]
            logits = run.model(torch.tensor([window[:-1]]))[0]
            nats += token_losses(logits, torch.tensor(window[1:])).sum().item()
    expected = nats / math.log(2) / len(text.encode())
    assert figures["run_text", "bits_per_byte"]["value"] == pytest.approx(expected, rel=0.01)  # the last window differs
    kept = read_task_metrics(run.folder.tasks_file)
    assert [row._asdict() for row in kept] == found["metrics"]


def test_a_task_that_there_is_not_is_named(path, monkeypatch):
    tasks = pytest.importorskip("lm_eval.tasks")
    no_index = SimpleNamespace(all_tasks=["hellaswag"])  # to read all of its own takes seconds
    monkeypatch.setattr(tasks, "TaskManager", lambda include_defaults: no_index)
    with pytest.raises(ValueError, match="there is no task nosuch"):
        harness.harness_metrics(load_run(path), ["nosuch"])


def test_no_network_is_said_in_a_sentence(path, monkeypatch):
    lm_eval, tasks = pytest.importorskip("lm_eval"), pytest.importorskip("lm_eval.tasks")

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(tasks, "TaskManager", lambda include_defaults: SimpleNamespace(all_tasks=["hellaswag"]))
    monkeypatch.setattr(lm_eval, "simple_evaluate", offline)
    with pytest.raises(ValueError, match=r"data of hellaswag could not be downloaded: Couldn't reach"):
        harness.harness_metrics(load_run(path), ["hellaswag"])


def test_without_the_package_a_sentence_says_how_to_install_it(path, capsys, monkeypatch):
    monkeypatch.setattr(harness, "PACKAGE", "no_such_package")
    assert main(["evaluate", str(path), "--tasks", "story_world"]) == 2
    error = capsys.readouterr().err
    assert "uv sync --inexact --extra lm-eval" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["--tasks", "run_text", "--int8"], ["--limit", "3"], ["--tasks", "x", "--limit", "0"]]
)
def test_flags_that_do_not_go_together_are_refused(path, capsys, words):
    assert main(["evaluate", str(path), *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_new_figures_replace_those_of_the_same_task_and_step(tmp_path):
    file = tmp_path / "tasks.json"
    write_task_metrics(file, [METRIC, METRIC._replace(task="run_text")])
    newer = METRIC._replace(value=0.75)
    write_task_metrics(file, [newer, METRIC._replace(step=2)])
    assert read_task_metrics(file) == [METRIC._replace(task="run_text"), newer, METRIC._replace(step=2)]


@pytest.mark.parametrize("content", ["", "[]", '{"metrics": 3}', '{"metrics": [{"step": 1}, 7]}', "{", "null"])
def test_a_damaged_file_hides_nothing_else(tmp_path, content):
    (tmp_path / "tasks.json").write_text(content)
    assert read_task_metrics(tmp_path / "tasks.json") == []


@pytest.mark.parametrize(
    "change",
    [{"value": "x"}, {"value": math.inf}, {"step": True}, {"task": 3}, {"standard_error": []}, {"documents": 1.5}],
)
def test_a_damaged_row_is_left_out(tmp_path, change):
    file = tmp_path / "tasks.json"
    rows = [METRIC._asdict() | change, METRIC._asdict()]
    file.write_text(json.dumps({"metrics": rows}))
    assert read_task_metrics(file) == [METRIC]
