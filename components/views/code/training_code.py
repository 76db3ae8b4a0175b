"""Training and sampling code on live data: which functions are shown, and their inputs."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from llm import filters
from llm.checkpoints import Run, load_run
from llm.config import SamplingConfig, TrainingConfig
from llm.data import TextData, masking, windows
from llm.data.masking import Masking
from llm.loss import next_token_loss
from llm.runs.corpus import run_corpus
from llm.tokenizers import bpe
from llm.tokenizers.bpe import N_BYTES, train_merges
from llm.trace.code_example import CodeExample, weight_gradient
from llm.trace.code_session import CodeSession, ExampleCode
from llm.trace.forward_pass import ForwardPass
from llm.trace.sessions import keep_session, session_key
from llm.trace.traced_text import TracedText
from llm.training import schedule
from llm.training.optimizers import REGISTRY as OPTIMIZERS
from llm.training.optimizers import ShownStep

EXCERPT = 40_000  # characters of the run's text: enough to see what happens
MERGES = 12
WINDOWS = 3
FILTERS = SamplingConfig(repetition_penalty=1.2, temperature=0.8, top_k=20, top_p=0.9, min_p=0.02)


def open_training_code(path: Path, step: int | None, text: str) -> CodeSession:
    """Trace the code of sampling and training on this checkpoint and text. Call it on the compute thread.

    Raises:
        ValueError: the text is empty, or the tokenizer cannot encode it.
    """
    optimizers = (import_module(shown.module) for entry in OPTIMIZERS.values() for shown in entry.steps)
    files = [_file(code) for code in (windows, masking, filters, bpe, schedule, next_token_loss, *optimizers)]
    key = session_key(path, step, text, files)

    def make() -> CodeSession:
        run = load_run(path, step)
        traced = TracedText(run.model, run.tokenizer, text)
        return CodeSession(traced, ExampleCode(traced, _examples(run, len(traced.token_ids))), key, files)

    return keep_session(key, make)


def _examples(run: Run, n_tokens: int) -> dict[str, CodeExample]:
    training = run.folder.config().training
    examples = {
        **({"sampling": _sampling()} if run.config.causal else {"masking": _masking(run)}),
        **_optimizer_steps(run),
        "windows": _windows(run),
        "bpe": _bpe(run),
        "schedule": _schedule(training),
    }
    if n_tokens > 1 and run.config.causal:
        examples["loss"] = _loss()
    return examples


def _sampling() -> CodeExample:
    """All filters on the logits of the last token."""

    def filter_logits(forward_pass: ForwardPass) -> None:
        filters.filter_stages(forward_pass.logits[0, -1], forward_pass.tokens[0].tolist(), FILTERS)

    functions = ("repetition_penalty", "temperature", "top_k", "top_p", "min_p", "filter_stages")
    axes = {"logits": ("d_vocab",), "return": ("d_vocab",)}
    return CodeExample("Sampling filters", _file(filters), functions, filter_logits, axes)


def stepped_weight(shown: ShownStep, model: nn.Module) -> tuple[str, str] | None:
    """The layer and its parameter on which this model's step is shown; None: it has none such."""
    names = dict(model.named_parameters())
    return next((weight for weight in shown.weights if ".".join(weight) in names), None)


def _optimizer_steps(run: Run) -> dict[str, CodeExample]:
    training = run.folder.config().training
    found = {shown: stepped_weight(shown, run.model) for shown in OPTIMIZERS[training.optimizer].steps}
    return {shown.name: _optimizer_step(shown, weight, training) for shown, weight in found.items() if weight}


def _optimizer_step(shown: ShownStep, weight: tuple[str, str], training: TrainingConfig) -> CodeExample:
    """The run's first optimizer step on one weight, with the gradient of this text."""

    def take_step(forward_pass: ForwardPass) -> None:
        shown.first(*weight_gradient(forward_pass, *weight), training)

    axes = dict.fromkeys(shown.variables, shown.axes)
    return CodeExample(shown.title, _file(import_module(shown.module)), shown.functions, take_step, axes)


def _schedule(training: TrainingConfig) -> CodeExample:
    """The learning rate in the middle of the run."""
    functions = ("learning_rate_multiplier", schedule.REGISTRY[training.schedule].fall.__name__)

    def multiplier(_: ForwardPass) -> None:
        schedule.learning_rate_multiplier(1 + training.steps // 2, training)

    return CodeExample(schedule.title(training.schedule), _file(schedule), functions, multiplier)


def _windows(run: Run) -> CodeExample:
    """A batch of training windows, drawn from the beginning of the run's text."""

    def batch(_: ForwardPass) -> None:
        excerpt = run_corpus(run.folder, run.tokenizer).beginning(EXCERPT + 40 * run.config.n_ctx)
        text_data = TextData.from_text(excerpt, run.tokenizer, run.config.n_ctx)
        text_data.batch(WINDOWS, 0, 0, torch.device("cpu"))

    axes = dict.fromkeys(("windows", "return"), ("batch", "pos + 1"))
    return CodeExample("Data windows", _file(windows), ("batch", "_windows"), batch, axes)


def _masking(run: Run) -> CodeExample:
    """The masked tokens of this text."""

    def hide(forward_pass: ForwardPass) -> None:
        Masking(run.config.d_vocab - 1).hide(forward_pass.tokens.cpu(), [0], 0)

    return CodeExample("Masked tokens", _file(masking), ("hide",), hide)


def _bpe(run: Run) -> CodeExample:
    """The first merges that BPE learns from the beginning of the run's text."""

    def merge(_: ForwardPass) -> None:
        train_merges(run_corpus(run.folder, run.tokenizer).beginning(EXCERPT), N_BYTES + MERGES)

    return CodeExample("BPE merges", _file(bpe), ("train_merges",), merge)


def _loss() -> CodeExample:
    """The loss of this text."""

    def loss(forward_pass: ForwardPass) -> None:
        next_token_loss(forward_pass.logits[:, :-1], forward_pass.tokens[:, 1:])

    return CodeExample("Loss", _file(next_token_loss), ("next_token_loss",), loss)


def _file(code: Any) -> Path:
    """The source file of a module or function."""
    return Path(inspect.getsourcefile(code) or "")
