"""A run as it is compared: its configuration, its curves and its last skills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm.comparison.curves import Point, reached, training_curve, validation_curve
from llm.data.token_cache import tokenizer_hash
from llm.runs.config import RunConfig
from llm.runs.folder import RunFolder
from llm.runs.listing import RunSummary, labelled, run_summary

LETTERS = "ABCDEFGH"  # what the runs of a comparison are called


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs that are compared."""

    letter: str
    summary: RunSummary
    config: RunConfig
    tokenizer: str  # a hash of what is saved of it
    took: dict[str, float | None]  # so far; empty before the first measurement
    training: list[Point]
    validation: list[Point]  # on some passages, during training
    final: Point | None  # on all of the validation text, at the end
    passages: tuple[Any, Any] | None  # on how many passages, or windows, and characters `validation` was measured
    passage_sums: dict[str, list[float]] | None  # of the passages of `final`: nats, tokens and characters of each
    skills: dict[str, float]  # accuracy by skill, as last measured
    skills_step: int | None

    @property
    def text(self) -> str:
        """A hash of the text, or its name where an older run has none."""
        return self.config.about(str, "text", "sha256") or self.config.about(str, "text", "name") or ""

    @property
    def text_name(self) -> str:
        """The text's name, and the beginning of its hash: another text can have the same name."""
        name, sha256 = self.config.about(str, "text", "name"), self.config.about(str, "text", "sha256")
        return f"{name or 'a text without a name'}{f' ({sha256:.8})' if sha256 else ''}"

    @property
    def tokenizer_name(self) -> str:
        """The tokenizer's kind and size, and the beginning of its hash: it can have learned other tokens."""
        kind = self.config.about(str, "tokenizer", "kind") or "unknown kind"
        return f"{kind} of {self.config.model.d_vocab:,} ({self.tokenizer:.8})"

    @property
    def end(self) -> Point | None:
        """The validation loss that counts: on all of the text at the end, else the last one on passages."""
        return self.final or (self.validation[-1] if self.validation else None)

    def condition(self, name: str) -> str | None:
        """What config.json records of the machine under this name, such as "threads"; None if it does not."""
        value = (self.config.about(dict, "conditions") or {}).get(name)
        return None if value is None else f"{value!s:.80}"


def read_run(path: Path | str, letter: str) -> ComparedRun:
    """The run in this folder. Raises FileNotFoundError if there is none, ValueError or OSError if it is damaged."""
    folder = RunFolder(path)
    summary = run_summary(folder.path)
    if summary is None:
        raise FileNotFoundError(f"Run {folder.id} was removed while it was opened")
    if summary.problem is not None:
        raise ValueError(summary.problem)
    config = folder.config()
    rows = [row for row in folder.read_metrics().rows if row["step"] is not None]
    tested: dict[str, Any] = next((row for row in reversed(rows) if row.get("skills")), {})
    measured = next((row["evaluation"] for row in reversed(rows) if row.get("evaluation")), None)
    return ComparedRun(
        letter=letter,
        summary=summary,
        config=config,
        tokenizer=tokenizer_hash(folder.path),
        took=reached(rows[-1], config) if rows else {},
        training=training_curve(rows, config),
        validation=validation_curve(rows, config),
        final=next(iter(validation_curve(rows, config, "final_evaluation")), None),
        passages=None if measured is None else _passages(measured),
        passage_sums=_passage_sums(rows),
        skills={
            name: value for name, value in tested.get("skills", {}).items() if value is not None and 0 <= value <= 1
        },
        skills_step=tested.get("step"),
    )


def told_apart(runs: Sequence[ComparedRun]) -> tuple[ComparedRun, ...]:
    """The same runs with labels of which no two are equal."""
    summaries = labelled([run.summary for run in runs])
    return tuple(replace(run, summary=summary) for run, summary in zip(runs, summaries, strict=True))


def default_unit(runs: Sequence[ComparedRun]) -> str:
    """Bits per character if the runs' tokenizers differ: their tokens are pieces of different length."""
    return "bits" if len({run.tokenizer for run in runs}) > 1 else "nats"


def _passages(evaluation: dict[str, Any]) -> tuple[Any, Any]:
    """On how many passages and characters it was measured; older runs count windows, and no characters."""
    return evaluation.get("passages") or evaluation.get("windows"), evaluation.get("characters")


def _passage_sums(rows: Sequence[dict[str, Any]]) -> dict[str, list[float]] | None:
    """The sums of passages that the last row has; None for an older run, and for lists that do not fit together."""
    sums: dict[str, list[float]] = (rows[-1].get("passages") if rows else None) or {}
    lists = [sums.get(name, []) for name in ("nats", "tokens", "characters")]
    fit = len({len(numbers) for numbers in lists}) == 1 and lists[0] and all(min(sizes) >= 0 for sizes in lists)
    return sums if fit and all(sum(sizes) > 0 for sizes in lists[1:]) else None
