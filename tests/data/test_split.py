"""How a text is split: by default as ever, or with documents or files that are held out whole."""

import dataclasses
import json
import random
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_folders import change_config
from tiny_training import TRAINING, same, weights
from token_caches import in_this_process, make

from llm.checkpoints import load_run
from llm.data.files.text_file import TextFile
from llm.data.split import DEFAULT_SPLIT, Split, SplitText, arrange, parts_of, split_text
from llm.presets import preset
from llm.runs.corpus import run_corpus
from llm.runs.errors import DamagedCheckpointError
from llm.training.run_evaluation import evaluate_run
from llm.training.setup import resume_run, start_run

MODEL = preset("llama", d_vocab=1, d_model=16, n_layers=1, n_heads=2, n_ctx=16)
ROWS = tuple(f"The {word} hen number {number} sat on the gate." for number in range(60) for word in ("red", "old"))
TABLE = TextFile("rows.csv", "table (csv)", ROWS)
BY_DOCUMENT = Split(validation_fraction=0.2, test_fraction=0.1, split_by="document")


@given(st.text(st.sampled_from("ab \n"), max_size=2000))
def test_the_usual_split_is_that_of_runs_from_before_it_could_be_chosen(text):
    def cut(fraction):
        cut = int(len(text) * fraction)
        line_break = text.rfind("\n", cut - len(text) // 100, cut)
        return line_break + 1 if line_break >= 0 else cut

    train, validation = cut(0.9), cut(0.9 + 0.05)
    assert split_text(text) == (text[:train], text[train:validation], text[validation:])


@given(
    st.lists(st.integers(0, 1000), min_size=3, max_size=60),
    st.sampled_from([0.01, 0.05, 0.3, 0.5]),
    st.sampled_from([0, 0.05, 0.4]),
)
def test_every_part_gets_something_and_comes_near_its_fraction(sizes, validation, test):
    hashes = [str(hash((size, index))) for index, size in enumerate(sizes)]
    parts = parts_of(sizes, hashes, Split(validation_fraction=validation, test_fraction=test, split_by="document"))
    assert set(parts) == {"train", "validation"} | ({"test"} if test else set())
    for name, fraction in ("validation", validation), ("test", test):
        got = sum(size for size, part in zip(sizes, parts, strict=True) if part == name)
        assert got <= fraction * sum(sizes) + max(sizes)


def test_whole_documents_are_held_out_from_everywhere_whatever_their_order():
    parts = arrange([TABLE], BY_DOCUMENT).parts
    documents = [[row for row in part.split("\n\n") if row] for part in parts]
    assert sorted(row for part in documents for row in part) == sorted(ROWS)
    assert [len(part) / len("".join(parts)) for part in parts] == pytest.approx([0.7, 0.2, 0.1], abs=0.01)
    held_out = [ROWS.index(row) for row in documents[2]]
    assert min(held_out) < 40 and max(held_out) > 80 and held_out == sorted(held_out)
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    again = arrange([TextFile("a", "b", tuple(shuffled[:50])), TextFile("c", "d", tuple(shuffled[50:]))], BY_DOCUMENT)
    assert [set(part.split("\n\n")) for part in again.parts] == [set(part.split("\n\n")) for part in parts]


def test_by_file_no_file_is_in_two_parts():
    files = [TextFile(f"{number}.txt", "text", (f"{number} " * 50,)) for number in range(4)]
    parts = arrange(files, dataclasses.replace(BY_DOCUMENT, split_by="file")).parts
    assert sorted(len(set(part.split())) for part in parts) == [1, 1, 2]
    with pytest.raises(ValueError, match="split_by=file needs at least 3 files, one for each part, got 2"):
        arrange(files[:2], dataclasses.replace(BY_DOCUMENT, split_by="file"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("validation_fraction", 0), ("validation_fraction", 0.6), ("test_fraction", -0.1), ("test_fraction", 0.5),
     ("split_by", "row"), ("test_fraction", float("nan"))],
)  # fmt: skip
def test_a_split_that_cannot_be_is_refused(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be "):
        Split(**{field: value})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on documents, and one that was stopped in the middle."""
    text = arrange([TABLE], BY_DOCUMENT)
    both = [
        start_run(MODEL, TRAINING, "char", text, "rows.csv", tmp_path_factory.mktemp(name)) for name in ("all", "half")
    ]
    list(both[0])
    for _ in range(5):
        next(both[1])
    both[1].snapshot()
    return both


def test_a_run_keeps_its_split_and_resumes_bit_for_bit(trained):
    straight, stopped = trained
    about = json.loads((straight.folder.path / "config.json").read_text())["text"]
    assert about["split"] == dataclasses.asdict(BY_DOCUMENT)
    resumed = resume_run(stopped.folder.path)
    list(resumed)
    assert same(weights(straight), weights(resumed))
    corpus = run_corpus(resumed.folder, resumed.tokenizer)
    assert corpus.parts == arrange([TABLE], BY_DOCUMENT).parts
    measured = evaluate_run(load_run(straight.folder.path), "test", skill_pairs=0).evaluation
    assert 0 < len(corpus.parts.test) - measured.characters < 30  # all but its first word


@pytest.mark.parametrize(
    "change",
    [{"validation_characters": 10**9}, {"test_characters": -5}, {"split": {"split_by": "row"}}, {"split": {"x": 1}}],
)
def test_a_damaged_split_is_refused_in_a_sentence(trained, tmp_path, change):
    path = tmp_path / trained[0].folder.id
    shutil.copytree(trained[0].folder.path, path)
    change_config(path, lambda about: about["text"].update(change))
    folder = type(trained[0].folder)(path)
    with pytest.raises(DamagedCheckpointError, match=r"config\.json"):
        run_corpus(folder, trained[0].tokenizer)


def test_a_text_without_a_test_part_has_none(tmp_path):
    text = SplitText.by_characters("\n".join(ROWS), Split(test_fraction=0))
    trainer = start_run(MODEL, TRAINING, "char", text, "rows.txt", tmp_path)
    list(trainer)
    assert run_corpus(trainer.folder, trainer.tokenizer).parts.test == ""
    with pytest.raises(ValueError, match="has no test part: its split leaves none"):
        evaluate_run(load_run(trainer.folder.path), "test")


@pytest.mark.parametrize("split_by", ["characters", "file"])
def test_a_token_cache_is_split_as_chosen(tmp_path, monkeypatch, split_by):
    in_this_process(monkeypatch)
    texts = [f"{name} sat.\n" * 100 for name in ("hen", "fox", "cow", "pig")]
    usual = make(tmp_path, texts)
    for test_fraction in 0.25, 0.0:
        split = Split(validation_fraction=0.25, test_fraction=test_fraction, split_by=split_by)
        cache = make(tmp_path, texts, split=split)
        assert cache.path != usual.path and cache.about["split"] == dataclasses.asdict(split)
        parts = {part: "".join(cache.documents(part, 10**6)) for part in cache.ids}
        assert sorted("".join(parts.values())) == sorted("".join(texts))
        size = len("".join(texts))
        assert [len(part) / size for part in parts.values()] == pytest.approx(
            [0.75 - test_fraction, 0.25, test_fraction], abs=0.02
        )
        if split_by == "file":
            assert all(text in parts.values() or text in parts["train"] for text in texts)
    assert make(tmp_path, texts, split=DEFAULT_SPLIT).path == usual.path
