"""What differs between runs: settings, text, tokenizer, machine and code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from llm.comparison.run import ComparedRun
from llm.config import ModelConfig, TrainingConfig, describe
from llm.runs.listing import name_of
from llm.runs.origin import branched

ABOUT_RUN: dict[str, tuple[str, Callable[[ComparedRun], Any]]] = {
    "text": ("The text that the run reads: its name, and the beginning of its SHA-256.", lambda run: run.text_name),
    "tokenizer": (
        "How the text is split into tokens: kind, vocabulary size, and the beginning of a hash of what it learned.",
        lambda run: run.tokenizer_name,
    ),
    "goes on from": (
        "The run and step from which it was branched; none: it began at step 0.",
        lambda run: _origin(run),
    ),
    "parameters": ("Numbers in the weights, a tied matrix once.", lambda run: run.summary.parameters),
    "implementation": (
        "In which of its forms the forward pass was computed.",
        lambda run: run.config.about(str, "implementation"),
    ),
}
CONDITIONS = {
    "device": "Where the run was computed.",
    "accelerator": "The GPU.",
    "processor": "The CPU.",
    "capability": "The CPU's vector instructions that torch uses.",
    "system": "Operating system and architecture.",
    "precision": "Number format of the forward pass.",
    "threads": "Threads that share one operation.",
    "processes": "Processes that each compute a part of a batch.",
}


class Difference(NamedTuple):
    """A setting that is not the same in all of the runs."""

    field: str
    help: str
    values: tuple[Any, ...]  # one for each run; None: off, or not recorded


def differences(runs: Sequence[ComparedRun]) -> list[Difference]:
    """Only what differs, in the order of the forms: the run, its model, its training, then machine and versions."""
    return [row for row in _rows(runs) if any(value != row.values[0] for value in row.values)]


def _rows(runs: Sequence[ComparedRun]) -> Iterator[Difference]:
    for name, (about, value) in ABOUT_RUN.items():
        yield Difference(name, about, tuple(value(run) for run in runs))
    for part, config in (("model", ModelConfig), ("training", TrainingConfig)):
        for name, field in describe(config).items():
            yield Difference(name, field.help, tuple(getattr(getattr(run.config, part), name) for run in runs))
    for name, about in CONDITIONS.items():
        yield Difference(f"machine: {name}", about, tuple(run.condition(name) for run in runs))
    versions = [run.config.about(dict, "conditions", "versions") or {} for run in runs]
    for name in sorted({name for version in versions for name in version}):
        yield Difference(f"version: {name}", f"Which {name} computed the run.",
                         tuple(_text_of(version.get(name)) for version in versions))  # fmt: skip
    yield Difference("commit", "The commit of this project that trained the run.", tuple(map(_commit, runs)))


def _origin(run: ComparedRun) -> str | None:
    origin = branched(run.config)
    return None if origin is None else f"{name_of(run.summary.path.parent / origin.run)} at step {origin.step:,}"


def _commit(run: ComparedRun) -> str | None:
    commit = run.config.about(str, "code", "commit")
    changed = " with changes" if run.config.about(bool, "code", "uncommitted_changes") else ""
    return None if commit is None else f"{commit:.12}{changed}"


def _text_of(value: Any) -> str | None:
    """A value of a file that may come from anywhere, as a short text."""
    return None if value is None else f"{value!s:.80}"
