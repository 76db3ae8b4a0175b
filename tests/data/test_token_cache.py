"""A text of any size: tokenised in pieces, in parts as a small text is, and trained on as one."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from counts import EVERY_NTH_OPERATION_OF_A_TOKEN_CACHE
from file_operations import watch_changes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_folders import ODD, put
from run_folders import change_config, rows_without_times
from token_caches import PIECE, TEXT, decoded, in_this_process, make

from llm.config import TrainingConfig
from llm.data import TextData, split_text
from llm.data.pieces import Piece, piece_ends, read_bytes, read_text
from llm.data.sources import scan_source
from llm.data.token_cache import TokenCache, TokenCacheError
from llm.data.tokenise import token_cache
from llm.presets import preset
from llm.runs.corpus import run_corpus
from llm.runtime.stepwise import finish
from llm.tokenizers import load_tokenizer
from llm.training.reproduction import reproduce
from llm.training.setup import resume_run, start_run

CPU = torch.device("cpu")
MODEL = preset("llama", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=8)
TRAINING = TrainingConfig(steps=4, batch_size=2, eval_every=2, eval_windows=2, sample_tokens=2, device="cpu")


@pytest.fixture
def here(monkeypatch):
    in_this_process(monkeypatch)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run on a token cache."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        cache = make(folder, [TEXT])
    trainer = start_run(MODEL, TRAINING, "char", cache, "0.txt", folder / "checkpoints")
    list(trainer)
    return trainer.folder


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of that run and its cache."""
    shutil.copytree(trained.path.parent.parent, tmp_path / "copy")
    return type(trained)(tmp_path / "copy" / "checkpoints" / trained.id)


@pytest.mark.parametrize("kind", ["char", "bpe", "sentencepiece"])
def test_the_parts_are_those_of_a_small_text_and_no_character_is_lost(kind, tmp_path, here):
    cache = make(tmp_path, [TEXT], kind, None if kind == "char" else 300)
    parts = split_text(TEXT)
    assert [cache.excerpt(part, len(TEXT)) for part in cache.ids] == list(parts)
    assert cache.about["characters"] == {part: len(text) for part, text in parts._asdict().items()}
    assert len((cache.path / "pieces.jsonl").read_text().splitlines()) > 10


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(st.sampled_from("aé狐🦊 \n\r"), max_size=30), min_size=1), st.integers(8, 60))
def test_the_pieces_of_a_file_are_its_text_and_end_as_a_small_text_does(tmp_path, lines, piece_bytes):
    content = ("x\ufeff" + "\n".join(lines)).encode()
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    ends = piece_ends(path, piece_bytes)
    assert max(end - start for start, end in zip([0, *ends], ends, strict=False)) <= piece_bytes
    text = content.decode().replace("\r\n", "\n").replace("\r", "\n")
    pieces = [Piece(str(path), start, end) for start, end in zip([0, *ends], ends, strict=False)]
    assert "".join(map(read_text, pieces)) == text
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        source = finish(scan_source([path], tmp_path / f"kept{len(content)}", piece_bytes))
    found = {"train": "", "validation": "", "test": ""}
    for part, piece, _, _ in source.parts():
        found[part] += read_text(piece)
    assert list(found.values()) == list(split_text(text))


def test_batches_of_a_token_cache_are_those_of_the_same_tokens_in_memory_and_views_of_the_file(tmp_path, here):
    cache = make(tmp_path, [TEXT])
    data = cache.data(n_ctx=8)
    assert data.train.data_ptr() == cache.ids["train"].ctypes.data and isinstance(cache.ids["train"], np.memmap)
    small = TextData.from_text(TEXT, cache.tokenizer, 8)
    for number in range(3):
        for first, second in zip(data.batch(4, number, 1, CPU), small.batch(4, number, 1, CPU), strict=True):
            assert torch.equal(first, second)
    assert torch.equal(data.validation.tokens, small.validation.tokens)
    assert torch.equal(data.validation.starts, small.validation.starts)


def test_between_documents_is_a_token_that_no_text_is_encoded_to(tmp_path, here):
    texts = ["first one\n" * 90, "second <|endoftext|>\n" * 30, "third\n" * 5]
    cache = make(tmp_path, texts)
    ids = np.concatenate(list(cache.ids.values()))
    end = cache.tokenizer.end_of_text
    assert end == cache.tokenizer.d_vocab - 1 and ids[-1] == end
    documents = np.split(ids, (ids == end).nonzero()[0] + 1)[:-1]
    assert [cache.tokenizer.decode(document[:-1]) for document in documents] == texts
    assert load_tokenizer(cache.path).end_of_text == end
    passages = cache.passages("validation")
    assert int((passages.tokens == end).sum()) == len(cache.documents("validation", 10**6)) - 1
    assert int(passages.characters.sum()) + len("first ") >= cache.about["characters"]["validation"] - 10


def test_a_second_start_reads_the_ends_of_a_file_only_and_a_changed_file_is_another_text(tmp_path, here, monkeypatch):
    cache = make(tmp_path, [TEXT])
    before = {path: path.stat().st_mtime_ns for path in cache.path.iterdir()}
    (tmp_path / "0.txt").write_text("red " + TEXT)
    assert make(tmp_path, [TEXT]).path != cache.path
    (tmp_path / "0.txt").write_text(TEXT)
    assert make(tmp_path, [TEXT]).path == cache.path
    file, read = tmp_path / "0.txt", []
    monkeypatch.setattr("llm.data.sources.read_bytes", lambda piece: read.append(piece) or read_bytes(piece))
    with monkeypatch.context() as patch:
        patch.setattr("llm.data.sources.answers", lambda tasks: 1 / 0)
        assert make(tmp_path, [TEXT]).path == cache.path
    assert [(piece.start, piece.end == file.stat().st_size) for piece in read] == [(0, False), (read[1].start, True)]
    assert sum(piece.end - piece.start for piece in read) <= 2 * PIECE < file.stat().st_size / 3
    assert {path: path.stat().st_mtime_ns for path in cache.path.iterdir()} == before
    modified = file.stat().st_mtime_ns
    file.write_text(TEXT[:-5] + "cow.\n")  # as long, and with the time of the one before
    os.utime(file, ns=(modified, modified))
    assert make(tmp_path, [TEXT]).path != cache.path


def test_workers_tokenise_as_this_process_does(tmp_path):
    """In processes of their own."""
    texts = [TEXT, "a fox\n" * 300]
    for folder in ("workers", "here"):
        (tmp_path / folder).mkdir()
    by_workers = make(tmp_path / "workers", texts)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        assert make(tmp_path / "here", texts).about["sha256"] == by_workers.about["sha256"]
    (tmp_path / "latin.txt").write_bytes(b"a fox\n" * 300 + b"caf\xe9\n")
    with pytest.raises(ValueError, match=r"latin\.txt is not UTF-8 text: byte 0xe9 at offset 1803 is invalid"):
        token_cache([tmp_path / "latin.txt"], "char", None, tmp_path / "tokens", PIECE)


class Killed(BaseException):
    """As SIGKILL, it lets nothing more change a file."""


@pytest.mark.parametrize("error", [Killed, lambda: OSError(28, "No space left on device")], ids=["killed", "disk full"])
@EVERY_NTH_OPERATION_OF_A_TOKEN_CACHE
def test_after_a_fault_at_any_file_operation_a_second_start_continues(count, error, tmp_path, here):
    text = TEXT[:2500]
    (tmp_path / "alone").mkdir()
    operations: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        watch_changes(patch, operations.append)
        expected = make(tmp_path / "alone", [text])
    begin = next(number for number, name in enumerate(operations) if "checkpoints" in name or "tokens" in name)
    for at in range(begin + (error is Killed) * (count // 2), len(operations), count):
        folder, left = tmp_path / str(at), at
        folder.mkdir()

        def watcher(_: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise error()

        with pytest.MonkeyPatch.context() as patch:
            watch_changes(patch, watcher)
            with pytest.raises((Killed, OSError)):
                make(folder, [text])
        kept = sorted(folder.rglob("pieces.jsonl"))
        done = kept[0].read_bytes().count(b"\n") if kept else 0
        continued: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            watch_changes(patch, continued.append)
            cache = make(folder, [text])
        assert cache.about | {"files": []} == expected.about | {"files": []}, operations[at]
        for part, ids in cache.ids.items():
            assert np.array_equal(ids, expected.ids[part])
        if done:  # what was done is not done again
            assert continued.count("open pieces.jsonl") <= operations.count("open pieces.jsonl") - done + 1
        assert not list(cache.path.glob(".writing-*"))
        shutil.rmtree(folder)


def test_a_run_on_a_token_cache_resumes_and_is_reproduced_bit_for_bit(trained, copy):
    assert not (trained.path / "text.txt").exists()
    text = trained.config().raw["text"]
    cache = run_corpus(trained, load_tokenizer(trained.path))
    assert text["cache"] == {"folder": cache.path.name, "sha256": cache.about["sha256"]}
    assert [comparison.difference for comparison in reproduce(copy.path)] == [None] * 5
    (copy.path / "metrics.jsonl").write_text("".join((copy.path / "metrics.jsonl").read_text().splitlines(True)[:3]))
    shutil.rmtree(copy.path / "step_000004")
    shutil.rmtree(copy.path / "step_000002", ignore_errors=True)
    (copy.path / "final_model.safetensors").unlink()
    # it has no trainer's state any more: it begins again from its seed
    for snapshot in copy.path.glob("step_*"):
        shutil.rmtree(snapshot)
    resumed = resume_run(copy.path)
    list(resumed)
    assert rows_without_times(copy) == rows_without_times(trained)


def test_a_cache_that_is_gone_is_named_with_what_to_do(copy):
    [path] = {path.parent for path in copy.path.parent.rglob("cache.json")}
    shutil.rmtree(path)
    with pytest.raises(TokenCacheError, match=rf"{path} is gone.* `uv run llm train --resume .*` makes it"):
        resume_run(copy.path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def too_high(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[:] = b"\xfe" * len(content)
    path.write_bytes(content)


def other(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5] = 1 if content[5] != 1 else 2
    path.write_bytes(content)


DAMAGE = {
    "a token short": ("train.tokens", cut, "bytes, and"),
    "ids beyond the vocabulary": ("train.tokens", too_high, "it has the token id 254"),
    "validation ids beyond the vocabulary": ("validation.tokens", too_high, "it has the token id 254"),
    "no manifest": ("cache.json", Path.unlink, "gone or not complete: it has no cache.json"),
    "a manifest that is not JSON": ("cache.json", cut, "cannot be used"),
    "no tokenizer": ("tokenizer.json", Path.unlink, "tokenizer"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_cache_is_refused_in_a_sentence(case, copy):
    file, damage, said = DAMAGE[case]
    [path] = copy.path.parent.rglob("cache.json")
    damage(path.with_name(file))
    with pytest.raises(ValueError, match=said) as refused:
        list(resume_run(copy.path))
    assert str(path.parent) in str(refused.value) and "\n" not in str(refused.value)


def test_tokens_that_were_changed_are_found_when_a_run_is_reproduced(copy):
    [path] = copy.path.parent.rglob("train.tokens")
    other(path)
    with pytest.raises(TokenCacheError, match="its tokens were changed"):
        list(reproduce(copy.path))


def test_a_cache_of_another_tokenizer_or_text_with_a_forged_name_is_refused(copy, tmp_path, here):
    [path] = {path.parent for path in copy.path.parent.rglob("cache.json")}
    (tmp_path / "other").mkdir()
    forged = make(tmp_path / "other", [TEXT.replace("fox", "hen")]).path
    shutil.rmtree(path)
    shutil.copytree(forged, path)
    with pytest.raises(TokenCacheError, match="it holds the tokens of another text or tokenizer"):
        resume_run(copy.path)
    about = json.loads((path / "cache.json").read_text())
    change_config(copy.path, lambda config: config["text"]["cache"].update(sha256=about["sha256"]))
    with pytest.raises(ValueError, match="it is not the tokenizer of the token cache"):
        resume_run(copy.path)
    (path / "tokenizer.json").write_bytes((copy.path / "tokenizer.json").read_bytes())
    with pytest.raises(TokenCacheError, match="its tokenizer is not the one that made its tokens"):
        resume_run(copy.path)


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind.startswith("a link") or kind == "a named pipe"])
@pytest.mark.parametrize("file", ["train.tokens", "cache.json", "tokenizer.json", ""])
def test_nothing_but_regular_files_is_opened(kind, file, copy, tmp_path):
    [path] = {path.parent for path in copy.path.parent.rglob("cache.json")}
    put(kind, path / file if file else path, tmp_path)
    with pytest.raises(ValueError, match=r"cannot be used|is gone"):
        resume_run(copy.path)


@pytest.mark.parametrize("name", ["../../elsewhere", "", 5, None])
def test_no_other_folder_is_taken_for_a_cache(name, copy):
    change_config(copy.path, lambda config: config["text"]["cache"].update(folder=name))
    with pytest.raises(ValueError, match="it does not say which token cache the run has"):
        resume_run(copy.path)


def test_two_processes_do_not_tokenise_one_text_at_once(tmp_path, here):
    (tmp_path / "0.txt").write_text(TEXT)
    steps = token_cache.steps([tmp_path / "0.txt"], "char", None, tmp_path / "checkpoints" / "tokens", PIECE)
    for progress in steps:
        if progress.stage == "Tokenising":
            break
    with pytest.raises(TokenCacheError, match=rf"Another process \(pid {os.getpid()}\) is tokenising this text"):
        make(tmp_path, [TEXT])
    steps.close()
    assert decoded(make(tmp_path, [TEXT])) == TEXT


def test_a_file_that_changes_while_it_is_tokenised_is_refused(tmp_path, here):
    (tmp_path / "0.txt").write_text(TEXT)
    steps = token_cache.steps([tmp_path / "0.txt"], "char", None, tmp_path / "checkpoints" / "tokens", PIECE)
    with pytest.raises(ValueError, match=r"0\.txt was changed while it was tokenised: start again"):
        for progress in steps:
            if progress.stage == "Tokenising":
                (tmp_path / "0.txt").write_text(TEXT.replace("fox", "hen"))


def test_a_cache_opens_again(tmp_path, here):
    cache = make(tmp_path, [TEXT])
    again = TokenCache.open(cache.path, cache.about["sha256"])
    again.verify()
    assert decoded(again) == TEXT
