import collections
import contextlib
import dataclasses
import io
import itertools
import json
import math
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from model_configs import IMPLEMENTATIONS

from llm import Transformer, checkpoints
from llm.background.opened import open_run
from llm.checkpoints import DamagedCheckpointError, RunFolder, list_runs, load_run, snapshot_due
from llm.config import ModelConfig, TrainingConfig
from llm.runtime.files import write_bytes, write_folder, write_json
from llm.tokenizers import build_tokenizer
from llm.tokenizers.char import CharTokenizer

TEXT = "a red fox\n"
TOKENIZER = CharTokenizer.train(TEXT)
MODEL = ModelConfig(
    d_vocab=TOKENIZER.d_vocab, d_model=8, n_layers=1, n_heads=2, n_kv_heads=1, d_head=4, d_mlp=6, n_ctx=5
)
TRAINING = TrainingConfig(steps=4000, batch_size=2)
ABOUT = {
    "model": dataclasses.asdict(MODEL),
    "training": dataclasses.asdict(TRAINING),
    "tokenizer": {"kind": "char", "d_vocab": TOKENIZER.d_vocab},
    "text": {"name": "foxes.txt"},
    "architecture": "llama",
    "size": "small",
}
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def new_run(checkpoints_dir: Path, about: dict = ABOUT, text: str = TEXT) -> RunFolder:
    return RunFolder.create(checkpoints_dir, about, TOKENIZER, text)


def row(step: int, loss: float = 1.5, **more: object) -> dict:
    return {"step": step, "loss": loss, "evaluation": {"loss": loss}, **more}


def bits(model: Transformer) -> dict[str, list[int]]:
    return {name: parameter.detach().view(torch.int32).tolist() for name, parameter in model.named_parameters()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def in_a_child(work: Callable[[], object]) -> int:
    """Run `work` in a process that then ends; returns its id, which no process has any more."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return child


@contextlib.contextmanager
def content(path: Path, changed: bytes) -> Iterator[None]:
    """The file with another content for a while."""
    before = path.read_bytes()
    path.write_bytes(changed)
    try:
        yield
    finally:
        path.write_bytes(before)


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Ways to damage a file: bytes replaced, cut out, or put in, at places given as shares of its length."""
    kind = draw(st.sampled_from(["replace", "cut", "insert", "end"]))
    start, length = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 40))
    new = draw(st.binary(min_size=1, max_size=8) | st.sampled_from([b"9" * 30, b"-", b".", b"e", b"[", b"}", b"null"]))

    def damage(intact: bytes) -> bytes:
        place = int(start * len(intact))
        return {
            "replace": intact[:place] + new + intact[place + len(new) :],
            "cut": intact[:place] + intact[place + length :],
            "insert": intact[:place] + new + intact[place:],
            "end": intact[:place],
        }[kind]

    return damage


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    """A run with metrics, snapshots of steps 0 and 3, best weights of step 2 and final weights of step 3."""
    folder = new_run(tmp_path_factory.mktemp("trained"))
    torch.manual_seed(1)
    for step in range(4):
        model = Transformer(MODEL)
        folder.append_metrics(row(step))
        if step in (0, 3):
            folder.save_snapshot(step, model, {"step": step}, {"step": step}, keep_mb=100)
        if step == 2:
            folder.save_model("best", model, step)
    folder.save_model("final", model, 3)
    folder.write_status("finished", "all steps are done", 3)
    return folder


# --- files that are written whole or not at all


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_json(path, {"step": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"step": 2})
    assert json.loads(path.read_bytes()) == {"step": 1}
    assert names(tmp_path) == {"status.json"}


@pytest.mark.parametrize("there_before", [True, False])
@pytest.mark.parametrize("failing", ["fill", "fsync", "rename"])
def test_a_folder_that_fails_to_be_written_leaves_the_old_one_and_nothing_else(
    tmp_path, monkeypatch, there_before, failing
):
    path = tmp_path / "step_000001"
    if there_before:
        write_folder(path, lambda folder: (folder / "model").write_text("old"))

    def fill(folder: Path) -> None:
        (folder / "model").write_text("new")
        if failing == "fill":
            raise OSError("no space left")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    rename = Path.rename

    def rename_but_the_new(path: Path, target: Path) -> None:
        if path.name.startswith(".writing") and not path.name.endswith("replaced"):
            fail()
        rename(path, target)

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif failing == "rename":
        monkeypatch.setattr(Path, "rename", rename_but_the_new)
    with pytest.raises(OSError, match="no space left"):
        write_folder(path, fill)
    assert names(tmp_path) == ({"step_000001"} if there_before else set())
    if there_before:
        assert (path / "model").read_text() == "old"


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "step_000001"
    write_folder(path, lambda folder: [(folder / name).write_text("old") for name in ("model", "trainer")])
    write_folder(path, lambda folder: (folder / "model").write_text("new"))
    assert names(tmp_path) == {"step_000001"}
    assert names(path) == {"model"}
    assert (path / "model").read_text() == "new"


def test_threads_that_write_one_file_never_mix_their_contents(tmp_path):
    path = tmp_path / "status.json"
    contents = [bytes([letter]) * 300_000 for letter in b"abcd"]
    write_bytes(path, contents[0])
    seen = set()

    def write(content: bytes) -> None:
        for _ in range(10):
            write_bytes(path, content)
            seen.add(path.read_bytes())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, contents))
    assert seen <= set(contents)
    assert names(tmp_path) == {"status.json"}


def test_a_process_killed_while_writing_leaves_nothing_that_counts(tmp_path):
    folder = new_run(tmp_path)
    model = Transformer(MODEL)
    folder.save_snapshot(1, model, {}, {}, keep_mb=100)

    def killed_in_the_middle(target: Path) -> None:
        (target / "model.safetensors").write_bytes(b"half")
        os._exit(9)

    in_a_child(lambda: write_folder(folder.path / "step_000002", killed_in_the_middle))
    assert any(name.startswith(".writing-step_000002") for name in names(folder.path))
    assert folder.snapshots() == [1]
    assert [run.id for run in list_runs(tmp_path)] == [folder.id]
    assert load_run(folder.path).step == 1
    folder.save_snapshot(2, model, {}, {}, keep_mb=100)
    assert folder.snapshots() == [1, 2]
    assert not any(name.startswith(".writing") for name in names(folder.path))


# --- a new run


def test_a_new_run_has_the_files_of_the_design(tmp_path):
    before = datetime.now().replace(microsecond=0)
    folder = new_run(tmp_path / "not there yet" / "checkpoints")
    assert before <= datetime.strptime(folder.id, "%Y%m%d%H%M%S") <= datetime.now()
    assert names(folder.path) == {"config.json", "tokenizer.json", "text.txt", "metrics.jsonl", "status.json"}
    assert json.loads((folder.path / "config.json").read_bytes()) == ABOUT
    config = folder.config()
    assert (config.model, config.training, config.raw) == (MODEL, TRAINING, ABOUT)
    assert folder.text() == TEXT
    assert folder.read_metrics().rows == []
    assert (folder.status().state, folder.status().step, folder.status().pid) == ("running", 0, os.getpid())
    assert folder.snapshots() == []
    assert RunFolder(str(folder.path)).id == folder.id


def test_a_trained_run_has_the_files_of_the_design(trained):
    assert names(trained.path) == {
        *("config.json", "tokenizer.json", "text.txt", "metrics.jsonl", "status.json"),
        *("step_000000", "step_000003", "best_model.safetensors", "final_model.safetensors"),
    }
    assert names(trained.path / "step_000003") == {"model.safetensors", "snapshot.json", "trainer.pt"}
    assert json.loads((trained.path / "step_000003" / "snapshot.json").read_bytes()) == {"step": 3}


def test_a_field_added_since_keeps_its_default(tmp_path):
    model = {name: value for name, value in ABOUT["model"].items() if name not in ("dropout", "qk_norm")}
    assert new_run(tmp_path, ABOUT | {"model": model}).config().model == MODEL


def test_runs_of_one_second_take_the_next_seconds(tmp_path, monkeypatch):
    class Stopped(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 12, 31, 23, 59, 58)

    monkeypatch.setattr(checkpoints, "datetime", Stopped)
    ids = [new_run(tmp_path).id for _ in range(4)]
    assert ids == ["20261231235958", "20261231235959", "20270101000000", "20270101000001"]


def test_threads_and_processes_that_start_runs_at_once_get_folders_of_their_own(tmp_path):
    def two_runs(text: str) -> None:
        for number in range(2):
            new_run(tmp_path, text=f"{text}{number}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: in_a_child(lambda: two_runs(name)) if name < "d" else two_runs(name), "abcdef"))
    runs = list_runs(tmp_path)
    assert sorted(RunFolder(run.path).text() for run in runs) == [a + b for a in "abcdef" for b in "01"]


def test_a_folder_without_config_is_no_run(tmp_path):
    folder = tmp_path / "20260131120000"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r"20260131120000 is not a run folder.*uv run llm runs"):
        RunFolder(folder)
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        load_run(tmp_path / "nothing")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("one\r\ntwo\rthree\n\r\n\r")
@example("\ufeffa mark\ufeff, \x00, \x85, \u2028, \x0b, \x1a")
def test_the_text_comes_back_to_the_character(tmp_path, text):
    assert new_run(tmp_path, text=text).text() == text


def test_a_damaged_text_is_one_sentence(tmp_path):
    folder = new_run(tmp_path)
    (folder.path / "text.txt").write_bytes(b"fox \xff")
    with pytest.raises(DamagedCheckpointError, match=r"text\.txt is damaged: it is not UTF-8"):
        folder.text()
    (folder.path / "text.txt").unlink()
    with pytest.raises(DamagedCheckpointError, match=r"text\.txt is damaged: it is missing"):
        folder.text()


# --- which steps are kept


@given(st.integers(0, 10**7))
def test_the_first_and_the_last_step_are_kept(steps):
    assert snapshot_due(0, steps)
    assert snapshot_due(steps, steps)


@given(st.integers(3, 40), st.integers(0, 100))
def test_four_steps_of_every_doubling_are_kept_evenly_apart(doubling, more):
    start = 2**doubling
    steps = 2 * start + more  # the last one lies beyond
    quarters = [start * numerator // 4 for numerator in (4, 5, 6, 7)]
    assert all(snapshot_due(step, steps) for step in quarters)
    if doubling <= 12:
        assert [step for step in range(start, 2 * start) if snapshot_due(step, steps)] == quarters
    else:
        neighbours = [step + offset for step in quarters for offset in (-1, 1)]
        assert not any(snapshot_due(step, steps) for step in neighbours)


@given(st.integers(1, 5000))
def test_snapshots_are_dense_early_and_grow_with_the_logarithm(steps):
    kept = [step for step in range(steps + 1) if snapshot_due(step, steps)]
    assert len(kept) <= 4 * math.log2(steps + 1) + 2
    assert all(later - earlier <= max(1, earlier) for earlier, later in itertools.pairwise(kept))


def test_the_steps_of_a_default_run_are_those_of_the_description():
    kept = [step for step in range(101) if snapshot_due(step, 100)]
    assert kept == [0, 1, 2, 4, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 100]


# --- snapshots


def folder_size(folder: RunFolder) -> int:
    return sum(path.stat().st_size for path in folder.path.glob("step_*/*"))


@pytest.mark.parametrize("keep_mb", [1, 2, 100])
def test_thinning_keeps_first_and_newest_within_the_bound(tmp_path, keep_mb):
    config = dataclasses.replace(MODEL, d_mlp=5000)  # a third of a megabyte
    folder, model = new_run(tmp_path), Transformer(config)
    written = [step for step in range(401) if snapshot_due(step, 400)]
    for count, step in enumerate(written, 1):
        folder.save_snapshot(step, model, {}, {"moments": torch.zeros(20_000)}, keep_mb)
        kept = folder.snapshots()
        assert kept[0] == 0 and kept[-1] == step
        assert folder_size(folder) <= keep_mb * 1_000_000
        assert len(kept) == count or folder_size(folder) > keep_mb * 1_000_000 - 2 * 330_000
    if keep_mb == 100:
        assert kept == written
    else:  # what is left is spread evenly on a logarithmic scale: no gap is much wider than if it were perfectly so
        gaps = [math.log((later + 1) / (earlier + 1)) for earlier, later in itertools.pairwise(kept)]
        assert max(gaps) <= 2.5 * math.log(401) / len(gaps)


def test_two_snapshots_stay_whatever_the_bound(tmp_path):
    folder, model = new_run(tmp_path), Transformer(dataclasses.replace(MODEL, d_mlp=20_000))
    for step in (3, 5, 9):
        folder.save_snapshot(step, model, {}, {}, keep_mb=1)
    assert folder.snapshots() == [3, 9]


def test_only_the_newest_snapshot_has_the_trainers_state(tmp_path):
    folder, model = new_run(tmp_path), Transformer(MODEL)
    for step in (0, 1, 2):
        folder.save_snapshot(step, model, {}, {"step": step, "moments": [torch.tensor([step / 3])]}, keep_mb=100)
        assert [path.parent.name for path in folder.path.glob("*/trainer.pt")] == [f"step_{step:06d}"]
        state = folder.trainer_state(step)
        assert state["step"] == step
        assert state["moments"][0].item() == torch.tensor(step / 3).item()
    with pytest.raises(DamagedCheckpointError, match=r"trainer\.pt is damaged: it is missing"):
        folder.trainer_state(1)


def test_steps_beyond_a_million_are_snapshots_too(tmp_path):
    folder, model = new_run(tmp_path), Transformer(MODEL)
    for step in (999_999, 1_048_576):
        folder.save_snapshot(step, model, {}, {}, keep_mb=100)
    for stranger in ("step_1", "step_0000012", "step_abcdef", "step_000003.old", "step_٠٠٠٠٠٤"):
        (folder.path / stranger).mkdir()
    (folder.path / "step_000007").write_text("a file")
    assert folder.snapshots() == [999_999, 1_048_576]


# --- loading


def test_final_comes_before_best_before_the_newest_snapshot(trained, tmp_path):
    path = tmp_path / trained.id
    shutil.copytree(trained.path, path)
    assert load_run(path).step == 3
    (path / "final_model.safetensors").unlink()
    assert load_run(path).step == 2
    (path / "best_model.safetensors").unlink()
    assert load_run(str(path)).step == 3
    shutil.rmtree(path / "step_000003")
    assert load_run(path).step == 0
    shutil.rmtree(path / "step_000000")
    with pytest.raises(FileNotFoundError, match="has no weights yet"):
        load_run(path)


def test_a_given_step_is_loaded_with_the_metrics_up_to_it(trained):
    for step in (0, 3):
        run = load_run(trained.path, step=step)
        assert run.step == step
        assert run.metrics == [row(earlier) for earlier in range(step + 1)]
        saved = safetensors.torch.load_file(trained.path / f"step_{step:06d}" / "model.safetensors")
        assert all(torch.equal(saved[name], parameter) for name, parameter in run.model.named_parameters())
    with pytest.raises(FileNotFoundError, match="has no weights of step 2: its snapshots are 0, 3"):
        load_run(trained.path, step=2)


def test_a_loaded_run_is_ready_to_use(trained):
    run = load_run(trained.path)
    assert not run.model.training
    assert run.config == run.model.config == MODEL
    assert run.tokenizer.encode(TEXT) == TOKENIZER.encode(TEXT)
    assert run.folder.path == trained.path
    assert run.model(torch.tensor([run.tokenizer.encode("fox")])).shape == (1, 3, MODEL.d_vocab)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("tied", [True, False])
def test_weights_come_back_bit_for_bit(tmp_path, implementation, tied):
    config = dataclasses.replace(MODEL, tie_embeddings=tied, qk_norm=True)
    folder = new_run(tmp_path, ABOUT | {"model": dataclasses.asdict(config)})
    model = Transformer(config)
    with torch.no_grad():
        special = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, 1.1754944e-38, 3.4028235e38]
        model.embed.W_E[0] = torch.tensor(special)
    for save in (
        lambda: folder.save_snapshot(7, model, {}, {}, keep_mb=100),
        lambda: folder.save_model("best", model, 7),
        lambda: folder.save_model("final", model, 7),
    ):
        save()
        run = load_run(folder.path, implementation=implementation)
        assert bits(run.model) == bits(model)
        assert run.step == 7
        assert run.model.implementation == implementation


def test_weights_that_do_not_fit_change_nothing(trained):
    model = Transformer(dataclasses.replace(MODEL, d_mlp=7))
    before = bits(model)
    with pytest.raises(DamagedCheckpointError, match=r"W_in is \[8, 6\], and the model needs \[8, 7\]"):
        trained.load_weights(model, "final")
    assert bits(model) == before


# --- damage


def weights_with(trained: RunFolder, **changed: object) -> bytes:
    """The final weights as a file, some of them changed; None leaves one out."""
    tensors = safetensors.torch.load_file(trained.path / "final_model.safetensors")
    tensors = {name: tensor for name, tensor in (tensors | changed).items() if tensor is not None}
    return safetensors.torch.save(tensors, metadata={"step": "3"})


WEIGHTS = {
    "empty": (lambda run: b"", "cannot be read as safetensors"),
    "cut in the header": (lambda run: weights_with(run)[:100], "cannot be read as safetensors"),
    "cut in the weights": (lambda run: weights_with(run)[:-4], "cannot be read as safetensors"),
    "no safetensors": (lambda run: b"\x80\x02}q\x00." * 1000, "cannot be read as safetensors"),
    "a tensor is missing": (lambda run: weights_with(run, **{"embed.W_E": None}), r"lacks embed\.W_E"),
    "a tensor too many": (lambda run: weights_with(run, extra=torch.zeros(1)), "beyond the model's parameters, extra"),
    "another shape": (
        lambda run: weights_with(run, **{"embed.W_E": torch.zeros(8, MODEL.d_vocab)}),
        rf"embed\.W_E is \[8, {MODEL.d_vocab}\], and the model needs \[{MODEL.d_vocab}, 8\]",
    ),
    "whole numbers": (
        lambda run: weights_with(run, **{"embed.W_E": torch.zeros(MODEL.d_vocab, 8, dtype=torch.int32)}),
        r"embed\.W_E holds torch\.int32",
    ),
    "no step": (lambda run: safetensors.torch.save({"x": torch.zeros(1000)}), "cannot be read.*step"),
    "no number as step": (
        lambda run: safetensors.torch.save({"x": torch.zeros(1000)}, metadata={"step": "three"}),
        "cannot be read.*three",
    ),
}


@pytest.mark.parametrize("case", WEIGHTS, ids=str)
def test_damaged_weights_are_one_clear_sentence(trained, case):
    make, problem = WEIGHTS[case]
    path = trained.path / "final_model.safetensors"
    with content(path, make(trained)), pytest.raises(DamagedCheckpointError, match=rf"(?s){problem}") as raised:
        trained.load_weights(Transformer(MODEL), "final")
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def changed(part: str | None, **fields: object) -> bytes:
    """config.json with other fields; None leaves one out."""
    inner = (ABOUT[part] if part else ABOUT) | fields
    inner = {name: value for name, value in inner.items() if value is not None}
    return json.dumps(ABOUT | {part: inner} if part else inner).encode()


CONFIGS = {
    "not JSON": (b'{"model":', "it is not JSON"),
    "not UTF-8": (b"\xff\xfe{}", "it is not JSON"),
    "pickle": (pickle.dumps(ABOUT), "it is not JSON"),
    "nested too deeply": (b"[" * 100_000, "it is not JSON"),
    "not an object": (b"[]", "JSON object"),
    "no model": (changed(None, model=None), "it has no 'model'"),
    "no training": (changed(None, training=None), "it has no 'training'"),
    "model is a list": (changed(None, model=[1]), "ModelConfig is no JSON object"),
    "training is a number": (changed(None, training=3), "TrainingConfig is no JSON object"),
    "unknown field": (changed("model", d_modle=8, zoo=1), "fields that no ModelConfig has: d_modle, zoo"),
    "unknown training field": (changed("training", pace=8), "fields that no TrainingConfig has: pace"),
    "no d_vocab": (changed("model", d_vocab=None), "ModelConfig lacks d_vocab"),
    "d_vocab is a text": (changed("model", d_vocab="many"), "d_vocab='many' is not possible"),
    "unknown choice": (changed("model", norm=["rmsnorm"]), r"norm=\['rmsnorm'\] is not possible"),
    "a number beyond all floats": (changed("model", rope_theta=10**400), "is damaged"),
    "a very long value": (changed("model", norm="x" * 10**6), "norm='xxx"),
    "a model of a trillion numbers": (changed("model", d_mlp=10**12), "bytes cannot hold the .* parameters"),
    "a billion layers": (changed("model", n_layers=10**9), "bytes cannot hold the .* parameters"),
    "a billion heads": (changed("model", n_heads=10**9, positional="alibi"), "bytes cannot hold the .* parameters"),
}


@pytest.mark.parametrize("case", CONFIGS, ids=str)
def test_a_damaged_config_is_one_clear_sentence(trained, case):
    damaged, problem = CONFIGS[case]
    with (
        content(trained.path / "config.json", damaged),
        pytest.raises(DamagedCheckpointError, match=rf"is damaged: .*{problem}|{problem}") as raised,
    ):
        load_run(trained.path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_a_tokenizer_that_is_missing_or_of_another_size_is_reported(trained, tmp_path):
    path = tmp_path / trained.id
    shutil.copytree(trained.path, path)
    CharTokenizer("abc").save(path)
    with pytest.raises(DamagedCheckpointError, match=rf"3 tokens, and the model's d_vocab is {MODEL.d_vocab}"):
        load_run(path)
    (path / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="There is no tokenizer"):
        load_run(path)


SMALL_FILES = ["config.json", "tokenizer.json", "metrics.jsonl", "status.json", "final_model.safetensors"]


@pytest.mark.parametrize("name", SMALL_FILES)
@given(damages())
def test_no_damage_to_a_file_is_more_than_a_value_error(trained, name, damage):
    path = trained.path / name
    with content(path, damage(path.read_bytes())):
        for read in (lambda: load_run(trained.path), lambda: load_run(trained.path, step=3), trained.config):
            try:
                read()
            except (ValueError, FileNotFoundError) as error:
                assert "\n" not in str(error)
                assert len(str(error)) < 1500
        [listed] = list_runs(trained.path.parent)
        assert listed.id in str(listed.path) and listed.label
        assert isinstance(trained.status().state, str)
        assert all(type(line["step"]) is int for line in trained.read_metrics().rows)


@given(damages())
def test_no_damage_to_the_trainers_state_is_more_than_a_damaged_checkpoint(trained, damage):
    path = trained.path / "step_000003" / "trainer.pt"
    with content(path, damage(path.read_bytes())), contextlib.suppress(DamagedCheckpointError):
        assert isinstance(trained.trainer_state(3), dict)


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("serialise", [pickle.dumps, "torch"], ids=["pickle", "torch"])
def test_a_hostile_folder_executes_nothing(trained, tmp_path, serialise):
    marker = tmp_path / "executed"
    if serialise == "torch":
        file = io.BytesIO()
        torch.save({"step": 3, "optimizers": Bomb(marker)}, file)
        bomb = file.getvalue()
    else:
        bomb = serialise(Bomb(marker))
    path = tmp_path / trained.id
    shutil.copytree(trained.path, path)
    folder = RunFolder(path)
    for name in ("step_000003/trainer.pt", "step_000003/model.safetensors", *SMALL_FILES, "tokenizer.model"):
        intact = (path / name).read_bytes() if (path / name).exists() else b""
        (path / name).write_bytes(bomb)
        with contextlib.suppress(ValueError):
            load_run(path)
        with contextlib.suppress(ValueError):
            load_run(path, step=3)
        if name.endswith("trainer.pt"):
            with pytest.raises(DamagedCheckpointError, match=r"trainer\.pt is damaged: it cannot be read"):
                folder.trainer_state(3)
        list_runs(tmp_path)
        (path / name).write_bytes(intact)
    assert not marker.exists()
    with contextlib.suppress(AttributeError):  # torch wonders what came of it
        torch.load(io.BytesIO(bomb), weights_only=False) if serialise == "torch" else pickle.loads(bomb)
    assert marker.exists()  # the bomb was a real one


def test_a_trainers_state_that_is_none_is_reported(trained, tmp_path):
    file = io.BytesIO()
    torch.save([1, 2], file)
    with (
        content(trained.path / "step_000003" / "trainer.pt", file.getvalue()),
        pytest.raises(DamagedCheckpointError, match="does not hold a trainer's state"),
    ):
        trained.trainer_state(3)


# --- metrics

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@same_folder
@given(
    st.lists(st.tuples(st.floats(allow_nan=False), texts), max_size=8),
    st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=30),
)
@example([(1.5, "\u2028\r\n\x85"), (math.inf, "狐\n")], [(1, True)] * 30)
def test_metrics_read_as_they_are_written_are_those_read_at_once(tmp_path, values, pieces):
    rows = [row(step, loss, sample=sample) for step, (loss, sample) in enumerate(values)]
    path = tmp_path / "20260131120000"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    (path / "config.json").write_text("{}")
    folder = RunFolder(path)
    for line in rows:
        folder.append_metrics(line)
    whole = (path / "metrics.jsonl").read_bytes() if rows else b""
    (path / "metrics.jsonl").write_bytes(b"")
    read, offset, written = [], 0, 0
    for length, look in [*pieces, (len(whole), True)]:
        with (path / "metrics.jsonl").open("ab") as file:
            file.write(whole[written : written + length])
        written = min(written + length, len(whole))
        if look:
            chunk = folder.read_metrics(offset)
            assert not chunk.reset
            read += chunk.rows
            offset = chunk.next_offset
            assert offset == whole.rfind(b"\n", 0, written) + 1  # a line that is not whole waits
    assert read == rows == folder.read_metrics().rows


@same_folder
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=10), st.integers(0, 9), st.integers(0, 10), st.data())
def test_a_reader_of_metrics_that_were_cut_starts_again(tmp_path, losses, kept, new, data):
    path = tmp_path / "20260131120000"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    (path / "config.json").write_text("{}")
    folder = RunFolder(path)
    for step, loss in enumerate(losses):
        folder.append_metrics(row(step, loss))
    offset = folder.read_metrics().next_offset
    folder.truncate_metrics(kept - 1)
    for step in range(kept, kept + new):
        folder.append_metrics(row(step, 0.5, seconds=data.draw(st.integers(0, 10**9))))
    content = (path / "metrics.jsonl").read_bytes()
    chunk = folder.read_metrics(offset)
    assert chunk.reset == (content[offset - 1 : offset] != b"\n")  # also where the file ends before
    assert chunk.rows == folder.read_metrics(0 if chunk.reset else offset).rows
    assert chunk.next_offset == len(content)


def test_metrics_cut_and_grown_beyond_the_reader_are_read_again(tmp_path):
    folder = new_run(tmp_path)
    for step in range(5):
        folder.append_metrics(row(step))
    offset = folder.read_metrics().next_offset
    folder.truncate_metrics(2)
    for step in range(3, 9):
        folder.append_metrics(row(step, 1.25))  # other lengths of lines, as times have
    chunk = folder.read_metrics(offset)
    assert chunk.reset
    assert [line["step"] for line in chunk.rows] == list(range(9))


def test_metrics_that_are_not_there_are_none(tmp_path):
    folder = new_run(tmp_path)
    assert folder.read_metrics() == ([], 0, False)
    (folder.path / "metrics.jsonl").unlink()
    assert folder.read_metrics() == ([], 0, False)
    assert folder.read_metrics(10) == ([], 0, True)


def test_lines_that_are_no_metrics_are_passed_over(tmp_path):
    folder = new_run(tmp_path)
    folder.append_metrics(row(1))
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 2, "lo\n[3]\n{"loss": 1}\n{"step": "4"}\n{"step": null}\n\xff\n\n' + b"[" * 10**5 + b"\n")
    folder.append_metrics(row(5))
    assert folder.read_metrics().rows == [row(1), row(5)]
    assert list_runs(tmp_path)[0].loss == 1.5
    folder.save_model("final", Transformer(MODEL), 5)
    assert load_run(folder.path).metrics == [row(1), row(5)]


def test_truncated_metrics_end_at_the_step_and_can_be_continued(tmp_path):
    folder = new_run(tmp_path)
    for step in range(6):
        folder.append_metrics(row(step, sample="狐\r\n"))
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 6, "loss"')  # killed in the middle of a line
    before = (folder.path / "metrics.jsonl").read_bytes()
    folder.truncate_metrics(3)
    assert before.startswith((folder.path / "metrics.jsonl").read_bytes())
    folder.append_metrics(row(4))
    assert [line["step"] for line in folder.read_metrics().rows] == [0, 1, 2, 3, 4]
    folder.truncate_metrics(-1)
    assert (folder.path / "metrics.jsonl").read_bytes() == b""


def test_samples_come_back_in_their_order(tmp_path):
    folder = new_run(tmp_path)
    assert folder.samples() == []
    samples = [{"prompt": "狐\r\n\u2028", "text": "\x00 \ufeff"}, {"prompt": "", "text": "x" * 10**5}]
    for sample in samples:
        folder.append_sample(sample)
    assert folder.samples() == samples


# --- status


@pytest.mark.parametrize("state", ["running", "paused", "finished", "stopped", "failed"])
def test_a_run_whose_process_is_gone_reads_as_interrupted_if_it_was_under_way(tmp_path, state):
    folder = new_run(tmp_path)
    folder.write_status(state, "why", 7)
    assert (folder.status().state, folder.status().message) == (state, "why")
    in_a_child(lambda: folder.write_status(state, "why", 8))
    status = folder.status()
    assert status.step == 8
    if state in ("running", "paused"):
        assert status.state == "interrupted"
        assert "can be resumed" in status.message
    else:
        assert (status.state, status.message) == (state, "why")


def test_a_process_of_somebody_else_is_alive(tmp_path, monkeypatch):
    folder = new_run(tmp_path)

    def forbidden(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    assert folder.status().state == "running"


STATUS = {"state": "running", "message": "", "step": 1, "pid": 1, "updated": 0.0}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, pickle.dumps(STATUS)),
        *(json.dumps(STATUS | {field: "x"}).encode() for field in ("step", "pid", "updated")),
        *(json.dumps(STATUS | {field: [1]}).encode() for field in ("step", "pid", "updated")),
        json.dumps(STATUS | {"step": math.inf}).encode(),
    ],
)
def test_a_garbled_status_is_unknown(tmp_path, content):
    folder = new_run(tmp_path)
    (folder.path / "status.json").write_bytes(content)
    assert folder.status().state == "unknown"
    assert list_runs(tmp_path)[0].state == "unknown"
    (folder.path / "status.json").unlink()
    assert folder.status().state == "unknown"


@pytest.mark.parametrize("pid", [10**30, 10**9, 0, -1])
def test_no_process_has_an_impossible_number(tmp_path, pid):
    folder = new_run(tmp_path)
    (folder.path / "status.json").write_text(json.dumps(STATUS | {"pid": pid}))
    assert folder.status().state == "interrupted"


# --- the list of runs


class Counting:
    """A file that notes how much is read from it."""

    def __init__(self, file: io.IOBase, totals: collections.Counter) -> None:
        self.file, self.totals = file, totals

    def read(self, *arguments: int) -> bytes | str:
        found = self.file.read(*arguments)
        self.totals["bytes"] += len(found)
        return found

    def __getattr__(self, name: str) -> object:
        assert name in ("seek", "tell", "close", "fileno")  # other ways to read would not be counted
        return getattr(self.file, name)

    def __enter__(self) -> "Counting":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def copies(folder: RunFolder, count: int) -> list[str]:
    """So many further runs, a minute apart, older than `folder`; their ids, newest first."""
    moment = datetime.strptime(folder.id, "%Y%m%d%H%M%S")
    ids = [f"{moment - timedelta(minutes=minutes):%Y%m%d%H%M%S}" for minutes in range(1, count + 1)]
    for run_id in ids:
        (folder.path.parent / run_id).mkdir()
        for name in ("config.json", "status.json", "metrics.jsonl", "text.txt"):
            (folder.path.parent / run_id / name).write_bytes((folder.path / name).read_bytes())
    return ids


def test_listing_hundreds_of_runs_reads_little_of_each(tmp_path, monkeypatch):
    folder = new_run(tmp_path, text="a long text " * 500)
    for step in range(20):
        folder.append_metrics(row(step, loss=step / 8))
    ids = [folder.id, *copies(folder, 299)]
    with (tmp_path / ids[100] / "metrics.jsonl").open("ab") as file:  # a run of a million steps
        file.write((json.dumps({"step": 50, "loss": 1.0, "evaluation": None}).encode() + b"\n") * 100_000)
    totals, real_open = collections.Counter(), io.open

    def counted(*arguments: object, **named: object) -> Counting:
        totals["files"] += 1
        return Counting(real_open(*arguments, **named), totals)

    monkeypatch.setattr(io, "open", counted)
    monkeypatch.setattr("builtins.open", counted)
    runs = list_runs(tmp_path)
    monkeypatch.undo()
    assert [run.id for run in runs] == ids
    assert {run.loss for run in runs} == {19 / 8, None}
    assert totals["files"] == 3 * 300
    small = sum((folder.path / name).stat().st_size for name in ("config.json", "status.json", "metrics.jsonl"))
    assert totals["bytes"] <= 300 * small + 200_000


def test_a_run_is_listed_with_what_a_person_knows_it_by(tmp_path):
    folder = new_run(tmp_path)
    folder.append_metrics(row(0, 3.2))
    folder.append_metrics(row(50, 1.384))
    folder.append_metrics({"step": 51, "loss": 1.2, "evaluation": None})
    folder.write_status("stopped", "", 1200)
    path = tmp_path / "20260131120500"
    folder.path.rename(path)
    [run] = list_runs(str(tmp_path))
    assert run.label == "llama small · char · foxes.txt · step 1,200 · loss 1.38 · 31 Jan 12:05"
    assert (run.id, run.path, run.state, run.step, run.steps) == ("20260131120500", path, "stopped", 1200, 4000)
    assert (run.loss, run.created) == (1.384, datetime(2026, 1, 31, 12, 5))
    assert run.parameters == sum(parameter.numel() for parameter in Transformer(MODEL).parameters())


def test_a_run_without_a_preset_is_custom(tmp_path):
    about = {name: value for name, value in ABOUT.items() if name not in ("text", "tokenizer", "architecture", "size")}
    new_run(tmp_path, about)
    [run] = list_runs(tmp_path)
    assert run.label.startswith("custom · step 0 · ")
    assert run.loss is None


@pytest.mark.parametrize("case", [case for case in CONFIGS if "bytes cannot hold" not in CONFIGS[case][1]], ids=str)
def test_a_damaged_run_is_listed_as_damaged_and_breaks_nothing(tmp_path, case):
    folder = new_run(tmp_path)
    newer, older = folder.id, copies(folder, 1)[0]
    for damaged, intact in ((newer, older), (older, newer)):
        with content(tmp_path / damaged / "config.json", CONFIGS[case][0]):
            runs = {run.id: run for run in list_runs(tmp_path)}
        assert list(runs) == [newer, older]
        assert runs[damaged].state == "damaged"
        assert damaged in runs[damaged].label
        assert (runs[intact].state, runs[intact].architecture) == ("running", "llama")


@pytest.mark.parametrize(
    "fields",
    [
        {"architecture": 3, "size": ["small"], "tokenizer": "char", "text": ["foxes.txt"], "parameters": "many"},
        {"architecture": {"a": 1}, "size": None, "tokenizer": {"kind": 3}, "text": {"name": {}}, "parameters": []},
    ],
)
def test_names_that_are_none_are_left_out_of_the_list(tmp_path, fields):
    new_run(tmp_path, ABOUT | fields)
    [run] = list_runs(tmp_path)
    assert run.label.startswith("custom · step 0 · ")
    assert run.state == "running"


@pytest.mark.parametrize(
    "line",
    [b'{"evaluation": {"loss": "low"}}', b'{"evaluation": {}}', b'{"evaluation": {"loss": [1]}}', b'"evaluation": {'],
)
def test_an_evaluation_without_a_loss_is_passed_over(tmp_path, line):
    folder = new_run(tmp_path)
    folder.append_metrics(row(0, 3.5))
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(line + b"\n")
    assert list_runs(tmp_path)[0].loss == 3.5


def test_what_is_no_run_is_not_listed(tmp_path):
    assert list_runs(tmp_path / "nothing") == []
    assert list_runs(tmp_path) == []
    for name in ("20260131120000", "notes", "2026013112000", "202601311200000", "٢٠٢٦٠١٣١١٢٠٠٠٠"):
        (tmp_path / name).mkdir()
    for name in ("notes", "2026013112000", "202601311200000", "٢٠٢٦٠١٣١١٢٠٠٠٠"):
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "20260131120001").write_text("a file")
    assert list_runs(tmp_path) == []


def test_a_run_named_after_no_time_is_listed(tmp_path):
    folder = new_run(tmp_path)
    folder.path.rename(tmp_path / "99999999999999")
    [run] = list_runs(tmp_path)
    assert run.created is None
    assert run.label.endswith("99999999999999")


def test_a_run_removed_meanwhile_is_left_out(tmp_path, monkeypatch):
    folder = new_run(tmp_path)
    older = copies(folder, 2)
    config = RunFolder.config

    def removing(self: RunFolder) -> object:
        shutil.rmtree(tmp_path / older[0], ignore_errors=True)
        return config(self)

    monkeypatch.setattr(RunFolder, "config", removing)
    assert [run.id for run in list_runs(tmp_path)] == [folder.id, older[1]]


@pytest.mark.parametrize("kind", ["bpe", "sentencepiece"])
def test_a_run_holds_its_tokenizer_of_any_kind(tmp_path, kind):
    text = "a red fox saw a red bird\n" * 20
    tokenizer = build_tokenizer(kind, text, d_vocab=270)
    config = dataclasses.replace(MODEL, d_vocab=tokenizer.d_vocab)
    folder = RunFolder.create(tmp_path, ABOUT | {"model": dataclasses.asdict(config)}, tokenizer, text)
    folder.save_model("final", Transformer(config), 1)
    loaded = load_run(folder.path).tokenizer
    assert type(loaded) is type(tokenizer)
    assert loaded.encode(text) == tokenizer.encode(text)


def test_a_run_stays_open_until_its_weights_are_saved_anew(tmp_path):
    folder = new_run(tmp_path)
    with pytest.raises(FileNotFoundError, match="has no weights yet"):
        open_run(folder.path, None)
    model = Transformer(MODEL)
    folder.save_model("best", model, 1)
    opened = open_run(folder.path, None)
    assert open_run(folder.path, None) is opened
    assert bits(opened.model) == bits(model)
    other = Transformer(MODEL)
    folder.save_model("final", other, 2)  # comes before the best
    assert bits(open_run(folder.path, None).model) == bits(other)
    folder.save_model("final", model, 3)
    os.utime(folder.path / "final_model.safetensors", ns=(1, 1))
    assert bits(open_run(folder.path, None).model) == bits(model)
