"""Sweeps: one run for every combination of some settings' values, one after the other.

A run belongs to a sweep because it began with the settings of one of its combinations and on the same text. So a sweep
that was killed goes on when it is started again: finished runs are kept, a begun one is resumed, and it does not matter
whether a run was started by the sweep, by `uv run llm train` or on a cluster.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm.data.split import Split, SplitText
from llm.data.token_cache import TokenCache
from llm.runs.config import RunConfig
from llm.runs.folder import RunFolder
from llm.runs.listing import name_of
from llm.runs.status import ACTIVE
from llm.tokenizers import REGISTRY
from llm.training.description import text_sha256
from llm.training.jobs import run_configs, runs_with
from llm.training.new_run import NewRun
from llm.training.settings import MakeCache, RunSettings, names_of
from llm.training.setup import resume_run
from llm.training.trainer import Trainer

if TYPE_CHECKING:
    import pandas as pd

Combination = dict[str, Any]  # the value of each setting that varies


@dataclass(frozen=True)
class Planned:
    """One combination of a sweep, with all settings of its run."""

    combination: Combination
    settings: RunSettings

    def run(self, make_cache: MakeCache | None = None) -> tuple[Path | None, NewRun]:
        """Its run, None before it has begun, and what a new one is made of. Raises as `RunSettings.new_run`."""
        new = self.settings.new_run(make_cache)
        return runs_of([new])[0], new

    def to_train(self, make_cache: MakeCache | None = None) -> Callable[[], Trainer] | None:
        """What makes the trainer of its run, new or resumed; None: it is finished, or a process is training it."""
        path, new = self.run(make_cache)
        if path is None:
            return dataclasses.replace(new, tokenizer=new.corpus().tokenizer).start
        done = RunFolder(path).status().state in ("finished", *ACTIVE)
        return None if done else partial(resume_run, path)


@dataclass(frozen=True)
class Begun:
    """A run that has begun and is neither finished nor being trained."""

    run: Path

    @property
    def title(self) -> str:
        """The run in one line."""
        return f"{name_of(self.run)}, which goes on"

    def start(self) -> Trainer:
        """Its trainer. Raises as `resume_run`."""
        return resume_run(self.run)


@dataclass(frozen=True)
class Result:
    """What has come of one combination; a measure is None until the run is finished."""

    combination: Combination
    run: str | None  # its id
    state: str  # of the run, or "not begun"
    step: int
    loss: float | None  # on all of the validation text, nats per token
    bits_per_character: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Row:
    """The results of all seeds of one combination of the other settings."""

    combination: Combination  # without the seed
    finished: int
    seeds: int
    loss: float | None  # mean over the finished runs
    loss_deviation: float | None  # sample standard deviation over seeds; None with one
    bits_per_character: float | None
    bits_deviation: float | None
    best: bool  # fewest bits per character, which compare across tokenizers


def plan(vary: Mapping[str, Sequence[Any]], settings: Mapping[str, Any]) -> list[Planned]:
    """Every combination of the values, the last setting varying fastest, with the other settings the same.

    Raises:
        ValueError: a setting without values, given twice, or that cannot work in some combination; it is named.
    """
    for name, values in vary.items():
        if not values:
            raise ValueError(f"{name} has no values to try")
        if name in settings:
            raise ValueError(f"{name} is given twice: as {settings[name]} and to be varied")
    planned = []
    for combination in combinations(vary):
        try:
            planned.append(Planned(combination, RunSettings.from_names({**settings, **combination})))
        except ValueError as error:
            raise ValueError(f"{in_words(combination)}: {error}") from None
    return planned


def to_start(new_runs: Sequence[NewRun]) -> list[NewRun | Begun]:
    """What is left to train of these: new runs, and those that have begun before. Finished ones are left out."""
    left: list[NewRun | Begun] = []
    for new, run in zip(new_runs, runs_of(new_runs), strict=True):
        if run is None:
            left.append(new)
        elif RunFolder(run).status().state not in ("finished", *ACTIVE):
            left.append(Begun(run))
    return left


def combinations(vary: Mapping[str, Sequence[Any]]) -> Iterator[Combination]:
    """Every combination of the values, the last setting varying fastest."""
    return (dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values()))


def variants(new: NewRun, vary: Mapping[str, Sequence[Any]]) -> list[NewRun]:
    """A new run for every combination of the values, the other settings and the text being those of `new`.

    What `new` leaves to its preset or to the defaults is that of each run's own preset. Raises as `plan`.
    """
    settings = {name: value for name, value in names_of(new).items() if name not in vary}
    if "tokenizer" in vary:
        settings.pop("d_vocab", None)  # not every kind has a choice
    return [
        dataclasses.replace(
            new,
            model=one.model,
            training=one.training,
            tokenizer_kind=one.tokenizer,
            d_vocab_requested=one.d_vocab,
            architecture=one.architecture,
            size=one.size,
            implementation=one.implementation,
        )
        for one in (planned.settings for planned in plan(vary, settings))
    ]


def runs_of(new_runs: Sequence[NewRun]) -> list[Path | None]:
    """For each the newest run that began with these settings on this text; None: there is none."""
    listed = {folder: list(run_configs(folder)) for folder in {new.checkpoints_dir for new in new_runs}}
    begun = ((new, runs_with(listed[new.checkpoints_dir], new.model, new.training)) for new in new_runs)
    return [next((path for path, config in runs if _is_of(config, new)), None) for new, runs in begun]


def in_words(combination: Combination) -> str:
    """Such as "architecture=llama, seed=1"."""
    return ", ".join(f"{name}={value}" for name, value in combination.items()) or "the only combination"


def result(planned: Planned) -> Result:
    """What has come of a combination so far."""
    return result_of(planned.combination, planned.run()[0])


def result_of(combination: Combination, run: Path | None) -> Result:
    """What has come of a combination whose run this is; None: it has not begun."""
    if run is None:
        return Result(combination, None, "not begun", 0, None, None, None)
    folder = RunFolder(run)
    status, measured = folder.status(), folder.last_measures().evaluation
    if status.state != "finished":
        measured = {}
    measures = (measured.get(name) for name in ("loss", "bits_per_character", "accuracy"))
    return Result(combination, folder.id, status.state, status.step, *measures)


def over_seeds(results: Sequence[Result]) -> list[Row]:
    """Mean and standard deviation over seeds, in the order of the combinations."""
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for found in results:
        others = tuple(value for name, value in found.combination.items() if name != "seed")
        groups.setdefault(others, []).append(found)
    losses = [[found.loss for found in group if found.loss is not None] for group in groups.values()]
    bits = [
        [found.bits_per_character for found in group if found.bits_per_character is not None]
        for group in groups.values()
    ]
    least = min((statistics.mean(values) for values in bits if values), default=None)
    return [
        Row(
            {name: value for name, value in group[0].combination.items() if name != "seed"},
            sum(found.state == "finished" for found in group),
            len(group),
            *_mean_and_deviation(of_loss),
            *_mean_and_deviation(of_bits),
            best=bool(of_bits) and statistics.mean(of_bits) == least,
        )
        for group, of_loss, of_bits in zip(groups.values(), losses, bits, strict=True)
    ]


def as_frame(results: Sequence[Result]) -> pd.DataFrame:
    """A row for each combination: the settings that vary, and the fields of `Result`."""
    import pandas as pd  # takes a second

    fields = ("run", "state", "step", "loss", "bits_per_character", "accuracy")
    return pd.DataFrame([found.combination | {name: getattr(found, name) for name in fields} for found in results])


def _mean_and_deviation(values: Sequence[float]) -> tuple[float | None, float | None]:
    return (
        statistics.mean(values) if values else None,
        statistics.stdev(values) if len(values) > 1 else None,
    )


def _is_of(config: RunConfig, new: NewRun) -> bool:
    """Whether a run with the settings of `new` also has its text, tokenizer and implementation."""
    text, split = _text_of(new)
    default = REGISTRY[new.tokenizer_kind].default_d_vocab
    recorded = (
        config.about(str, "text", "sha256"),
        config.about(dict, "text", "split") or dataclasses.asdict(Split()),
        config.about(str, "tokenizer", "kind"),
        config.about(int, "tokenizer", "d_vocab_requested") or default,
        config.about(str, "implementation"),
    )
    return recorded == (text, split, new.tokenizer_kind, new.d_vocab_requested or default, new.implementation)


def _text_of(new: NewRun) -> tuple[str, dict[str, Any]]:
    """The hash of the text that a run will be trained on, and how it is split, as config.json records them."""
    if isinstance(new.text, TokenCache):
        return new.text.about["content"], new.text.about.get("split") or dataclasses.asdict(Split())
    whole = SplitText.by_characters(new.text) if isinstance(new.text, str) else new.text
    return text_sha256(whole.text), dataclasses.asdict(whole.split)
