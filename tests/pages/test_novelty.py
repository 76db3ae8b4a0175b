"""Copied, recombined or new?: what a run wrote is searched in the text that it was trained on."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from app_pages import TEXT, open_page, texts, tiny_run
from asked_routes import answer, ask
from run_folders import change_config

from llm.background import generations, novelty
from llm.checkpoints import RunFolder, load_run
from llm.config import SamplingConfig
from llm.data import split_text
from llm.data.matches import KNOWN, matches
from llm.sampling import generate


def write(path: Path, tokens: int = 30) -> generations.Generation:
    """A text of this run, complete."""
    generation = generations.start(path, None, "The hen", SamplingConfig(max_new_tokens=tokens, seed=0))
    generation.thread.join(60)
    assert generation.state == "finished"
    return generation


def searched(generation: generations.Generation) -> novelty.Search:
    """The search for this text, ended."""
    begun = novelty.search(generation.id)
    begun.thread.join(60)
    return begun


def get(generation: generations.Generation, what: str = "", query: str = "") -> Any:
    status, content = asyncio.run(answer(f"/live/novelty/{generation.id}{what}", query))
    assert status == 200
    return json.loads(content)


def test_the_page_searches_what_was_written(home):
    path = tiny_run(home)
    app = open_page("generate", run=path.name, prompt="The hen", max_new_tokens="30", seed="0")
    app.session_state["generate-sources"] = True  # opened by hand
    app.run()
    assert not app.exception and "First generate a text" in texts(app)
    generation = write(path)
    app.run()
    assert not app.exception and "Matches in the training text" in texts(app)
    assert searched(generation).state == "finished"


def test_the_answer_marks_the_whole_text_and_shows_where_each_part_stands(home):
    generation = write(tiny_run(home))
    assert searched(generation).state == "finished"
    found = get(generation)["found"]
    written = generation.text.removeprefix(generation.prompt)
    assert written and "".join(text for text, *_ in found["spans"]) == written
    assert sum(share for share, _ in found["shares"].values()) == pytest.approx(1)
    assert sum(share for _, share in found["shares"].values()) == pytest.approx(1)
    train = split_text(TEXT).train
    for _, start, end, _ in found["spans"]:
        shown = get(generation, "/passages", f"start={start}&end={end}")
        assert shown["match"] == written[start:end]
        assert shown["count"] == sum(train.startswith(shown["match"], place) for place in range(len(train)))
        for before, after in shown["passages"]:
            assert before + shown["match"] + after in train
            place = train.index(before + shown["match"] + after)
            assert place == 0 or train[place - 1].isspace()  # the excerpt begins at a word


def test_the_shares_are_followed_through_the_snapshots(home):
    path = tiny_run(home)
    generation = write(path)
    search = searched(generation)
    steps, *shares = get(generation)["through"]
    assert steps == RunFolder(path).snapshots() and steps[0] == 0
    assert [sum(point) for point in zip(*shares, strict=True)] == pytest.approx([1] * len(steps))
    last = search.through[-1]  # the weights that wrote the text, with its seed
    copied, known = (search.found.matches.share(least) for least in (search.found.copied_from, KNOWN))
    assert last == (generation.step, copied, known - copied, 1 - known)
    for step, *point in search.through:
        run = load_run(path, step)
        text = generate(run.model, run.tokenizer, "The hen", generation.config).removeprefix("The hen")
        known = matches(text, search.found.training).share(KNOWN)
        assert point == [pytest.approx(point[0]), pytest.approx(known - point[0]), pytest.approx(1 - known)]


def test_held_out_text_of_a_repeated_text_is_found_word_for_word(home):
    """So it is no sign of reciting if what the model wrote is, too."""
    generation = write(tiny_run(home))
    assert searched(generation).state == "finished"
    found = get(generation)["found"]
    assert found["control"][0] == 1 and found["control"][found["lengths"].index(16)] == 1


@pytest.mark.parametrize(
    "query", ["", "start=x", "start=3&end=3", "start=5&end=3", "start=0&end=31", "start=0&end=999999999"]
)
def test_a_part_that_the_text_does_not_have_is_refused(home, query):
    generation = write(tiny_run(home))
    searched(generation)
    assert asyncio.run(ask(f"/live/novelty/{generation.id}/passages", query)) == 400


def lose_text(path: Path) -> None:
    (path / "text.txt").unlink()


def have_a_cache(path: Path) -> None:
    change_config(path, lambda config: config["text"].update(cache={"folder": "0" * 16, "sha256": "0" * 64}))


@pytest.mark.parametrize(
    "change, message",
    [
        (lose_text, "came without its training text, so nothing can be searched in it"),
        (have_a_cache, "is too large to be searched: only texts of up to 5,000,000 characters are"),
    ],
)
def test_a_run_whose_text_cannot_be_searched_says_so(home, change, message):
    path = tiny_run(home)
    generation = write(path)
    change(path)
    search = searched(generation)
    assert search.state == "failed" and message in search.message and path.name in search.message


def test_a_text_above_the_limit_is_refused_and_one_at_the_limit_is_not(home, monkeypatch):
    path = tiny_run(home)
    train = len(split_text(RunFolder(path).text()).train)
    for limit, state in ((train, "finished"), (train - 1, "failed")):
        monkeypatch.setattr(novelty, "LARGEST", limit)
        assert searched(write(path)).state == state
