"""What a run with default settings is expected to reach: the band of runs that differ from it only in their seed."""

from __future__ import annotations

import csv
import dataclasses
from functools import lru_cache
from pathlib import Path

from llm.comparison.bands import BandPoint, band
from llm.comparison.curves import Point
from llm.config import TrainingConfig
from llm.runs.config import RunConfig
from llm.runs.labels import differences
from llm.tokenizers import DEFAULT_TOKENIZER, REGISTRY
from llm.world.entropy import TRAINING_TEXT_SHA256

MEASURED = Path(__file__).with_name("expected.csv")  # written by experiments/expected_loss.py
FIELDS = ("architecture", "size", "seed", "step", "loss")


@dataclasses.dataclass(frozen=True)
class Expected:
    """Mean, least and greatest validation loss of some runs, by step."""

    seeds: int
    points: list[BandPoint]


def expected(config: RunConfig) -> Expected | None:
    """What was measured with this run's settings; None if they are not the defaults, the seed apart."""
    training, usual = config.training, TrainingConfig()
    text, kind = config.about(str, "text", "sha256"), config.about(str, "tokenizer", "kind")
    given = text, kind, config.model.d_vocab, training.steps, training.eval_windows
    default_d_vocab = REGISTRY[DEFAULT_TOKENIZER].default_d_vocab
    if given != (TRAINING_TEXT_SHA256, DEFAULT_TOKENIZER, default_d_vocab, usual.steps, usual.eval_windows):
        return None
    if differences(dataclasses.replace(config, training=dataclasses.replace(training, seed=usual.seed))):
        return None
    return _measured().get((config.about(str, "architecture"), config.about(str, "size")))


@lru_cache(1)
def _measured() -> dict[tuple[str | None, str | None], Expected]:
    """By architecture and size."""
    curves: dict[tuple[str, str], dict[str, list[Point]]] = {}
    with MEASURED.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            points = curves.setdefault((row["architecture"], row["size"]), {}).setdefault(row["seed"], [])
            points.append(Point(float(row["step"]), None, None, None, float(row["loss"]), None))
    return {preset: Expected(len(seeds), band([*seeds.values()])) for preset, seeds in curves.items()}
