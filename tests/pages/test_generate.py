"""What the page Generate tells of a text: how each token was chosen, and files with everything it was made of."""

import asyncio
import json

import pytest
from app_pages import tiny_run
from asked_routes import answer, ask

from llm.background import generations
from llm.checkpoints import load_run
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
