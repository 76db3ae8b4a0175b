"""Training and sampling to be read on live data: which functions are shown, and what they are run on."""

from __future__ import annotations

import hashlib
import inspect
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from llm import data, loss, sampling
from llm.checkpoints import Run, load_run
from llm.config import SamplingConfig
from llm.data import TextData
from llm.tokenizers import bpe
from llm.tokenizers.bpe import N_BYTES, train_merges
from llm.trace.forward_pass import ForwardPass
from llm.trace.live_code import LiveCode, Subject, weight_gradient
from llm.trace.reading import Reading, keep
from llm.training import schedule
from llm.training.optimizers import REGISTRY as OPTIMIZERS
from llm.training.optimizers import ShownStep

WEIGHT = ("blocks.0.mlp", "W_in")  # the layer and its parameter that the AdamW step is shown on
EXCERPT = 40_000  # characters of the run's text: enough to see what happens
MERGES = 12
WINDOWS = 3
FILTERS = SamplingConfig(repetition_penalty=1.2, temperature=0.8, top_k=20, top_p=0.9, min_p=0.02)


def training_code(path: Path, step: int | None, text: str) -> tuple[str, Reading]:
    """The code of sampling and training, on this checkpoint and text, and the key under which it is served.

    Reads the model: call it in the compute thread.

    Raises:
        ValueError: the text is empty, or the tokenizer cannot express it.
    """
    stamps = [file.stat().st_mtime_ns for file in map(_file, (data, sampling, bpe, loss, schedule))]
    key = hashlib.sha256(repr((str(path), step, text, stamps)).encode()).hexdigest()[:24]

    def make() -> LiveCode:
        run = load_run(path, step)
        return LiveCode(run.model, run.tokenizer, text, partial(_subjects, run))

    return key, keep(key, make)


def _subjects(run: Run, recorded: ForwardPass) -> dict[str, Subject]:
    logits, tokens = recorded.logits, recorded.tokens
    subjects = {
        "sampling": Subject(
            "Sampling filters", _file(sampling),
            ("repetition_penalty", "temperature", "top_k", "top_p", "min_p", "apply_filters"),
            lambda: sampling.apply_filters(logits[0, -1], tokens[0].tolist(), FILTERS),
            {"logits": ("d_vocab",), "return": ("d_vocab",)},
        ),
        **{step.name: _optimizer_step(run, recorded, step) for step in _steps(run)},
        "windows": _windows(run),
        "bpe": Subject("BPE merges", _file(bpe), ("train_merges",),
                       lambda: train_merges(run.folder.text()[:EXCERPT], N_BYTES + MERGES)),
    }  # fmt: skip
    subjects["schedule"] = _schedule(run)
    if tokens.shape[1] > 1:
        subjects["loss"] = Subject("Loss", _file(loss), ("next_token_loss",),
                                   lambda: loss.next_token_loss(logits[:, :-1], tokens[:, 1:]))  # fmt: skip
    return subjects


def _steps(run: Run) -> tuple[ShownStep, ...]:
    """The steps to be shown of the optimizer that trained this run."""
    return OPTIMIZERS[run.folder.config().training.optimizer].steps


def _optimizer_step(run: Run, recorded: ForwardPass, step: ShownStep) -> Subject:
    """The optimizer's first step on one weight, with the gradient of this text."""

    def first() -> None:
        step.first(*weight_gradient(recorded, *WEIGHT), run.folder.config().training)

    axes = dict.fromkeys(step.variables, ("d_model", "d_mlp"))
    return Subject(step.title, _file(import_module(step.module)), step.functions, first, axes)


def _schedule(run: Run) -> Subject:
    """The learning rate in the middle of the run."""
    training = run.folder.config().training
    functions = ("learning_rate_multiplier", schedule.REGISTRY[training.schedule].fall.__name__)

    def middle() -> None:
        schedule.learning_rate_multiplier(1 + training.steps // 2, training)

    return Subject(schedule.title(training.schedule), _file(schedule), functions, middle)


def _windows(run: Run) -> Subject:
    """A batch of training windows, drawn from the beginning of the run's text."""
    excerpt = run.folder.text()[: EXCERPT + 40 * run.config.n_ctx]

    def batch() -> None:
        whole = TextData.from_text(excerpt, run.tokenizer, run.config.n_ctx)
        whole.batch(WINDOWS, 0, 0, torch.device("cpu"))

    axes = {"windows": ("batch", "pos + 1")}
    return Subject("Data windows", _file(data), ("batch", "_windows"), batch, axes)


def _file(module: Any) -> Path:
    return Path(inspect.getsourcefile(module) or "")
