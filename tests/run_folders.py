"""Run folders to test with, and ways to damage them."""

import contextlib
import dataclasses
import json
import os
import pickle
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from llm import Transformer
from llm.config import ModelConfig, TrainingConfig
from llm.runs.folder import RunFolder
from llm.tokenizers.char import CharTokenizer
from llm.training.reproduction import TIMES

TEXT = "a red fox\n"
TOKENIZER = CharTokenizer.train(TEXT)
MODEL = ModelConfig(
    d_vocab=TOKENIZER.d_vocab, d_model=8, n_layers=1, n_heads=2, n_kv_heads=1, d_head=4, d_mlp=6, n_ctx=5
)
TRAINING = TrainingConfig(steps=4000, batch_size=2, learning_rate=0.01)
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


def change_config(path: Path, change: Callable[[dict], object]) -> None:
    """Change what the config.json of the run in this folder holds."""
    file = path / "config.json"
    config = json.loads(file.read_text())
    change(config)
    file.write_text(json.dumps(config))


def change_rows(path: Path, change: Callable[[list[dict]], object]) -> None:
    """Change the rows of the run's metrics.jsonl."""
    file = path / "metrics.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    change(rows)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows_without_times(folder: RunFolder) -> list[dict]:
    """The rows of the run's metrics, without what differs between two equal trainings."""
    return [{name: row[name] for name in row if name not in TIMES} for row in folder.read_metrics().rows]


def row(step: int, loss: float = 1.5, **more: object) -> dict:
    return {"step": step, "loss": loss, "evaluation": {"loss": loss}, **more}


def bits(model: Transformer) -> dict[str, list[int]]:
    return {name: parameter.detach().view(torch.int32).tolist() for name, parameter in model.named_parameters()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def in_a_child_process(work: Callable[[], object]) -> int:
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
def file_damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Ways to damage a file: bytes replaced, cut out, or put in, at indices given as fractions of its length."""
    kind = draw(st.sampled_from(["replace", "cut", "insert", "end"]))
    start, length = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 40))
    new = draw(st.binary(min_size=1, max_size=8) | st.sampled_from([b"9" * 30, b"-", b".", b"e", b"[", b"}", b"null"]))

    def damage(intact: bytes) -> bytes:
        index = int(start * len(intact))
        return {
            "replace": intact[:index] + new + intact[index + len(new) :],
            "cut": intact[:index] + intact[index + length :],
            "insert": intact[:index] + new + intact[index:],
            "end": intact[:index],
        }[kind]

    return damage


def copy_run(folder: RunFolder, count: int) -> list[str]:
    """`count` copies of a run, each a minute older than the one before; their ids, newest first."""
    moment = datetime.strptime(folder.id, "%Y%m%d%H%M%S")
    ids = [f"{moment - timedelta(minutes=minutes):%Y%m%d%H%M%S}" for minutes in range(1, count + 1)]
    for run_id in ids:
        (folder.path.parent / run_id).mkdir()
        for name in ("config.json", "status.json", "metrics.jsonl", "text.txt"):
            (folder.path.parent / run_id / name).write_bytes((folder.path / name).read_bytes())
    return ids


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
    "d_vocab is a text": (changed("model", d_vocab="many"), "d_vocab must be an integer, got 'many'"),
    "unknown choice": (changed("model", norm=["rmsnorm"]), r"norm must be one of .*, got \['rmsnorm'\]"),
    "a number beyond all floats": (changed("model", rope_theta=10**400), "is damaged"),
    "a very long value": (
        changed("model", norm="x" * 10**6),
        "norm must be one of layernorm, rmsnorm, nonparametric, got 'xxx",
    ),
    "a model of a trillion numbers": (changed("model", d_mlp=10**12), "bytes cannot hold the .* parameters"),
    "a billion layers": (changed("model", n_layers=10**9), "n_layers must be at most 1,000, got 1000000000"),
    "a billion heads": (changed("model", n_heads=10**9, positional="alibi"), "bytes cannot hold the .* parameters"),
}
