"""Validation loss after a fixed number of steps, for each optimizer at several learning rates, and each scale of Muon.

    uv run python benchmarks/optimizers.py [--architectures llama] [--steps 200] [--seeds 0] [--only muon adamw …]

Small models on the default text with the page's defaults, but for the optimizer. The loss does not depend on the speed
of the machine. The scales of a Muon step: that of its author, √max(1, fan_out / fan_in); none; and
0.2 · √max(fan_out, fan_in), which imitates the size of AdamW's steps (Liu et al. 2025, arXiv:2502.16982).
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from llm.config import TrainingConfig
from llm.data import read_text
from llm.presets import preset
from llm.tokenizers import Tokenizer, build_tokenizer
from llm.training.optimizers.muon import step_scale
from llm.training.setup import start_run

PROJECT = Path(__file__).parents[1]
SCALES: dict[str, Callable[[int, int], float]] = {
    "muon": step_scale,
    "muon-unscaled": lambda fan_out, fan_in: 1.0,
    "muon-like-adamw": lambda fan_out, fan_in: 0.2 * math.sqrt(max(fan_out, fan_in)),
}
RATES = {"muon": (0.01, 0.02, 0.04), "muon-unscaled": (0.01, 0.02, 0.04), "muon-like-adamw": (0.01, 0.02, 0.04),
         "adamw": (0.001, 0.002, 0.003, 0.005, 0.01)}  # fmt: skip


def final_loss(architecture: str, name: str, rate: float, arguments: argparse.Namespace, seed: int, text: str,
               tokenizer: Tokenizer) -> float:  # fmt: skip
    """The validation loss at the end of one run."""
    rates = {"optimizer": "adamw", "learning_rate": rate} if name == "adamw" else {"muon_learning_rate": rate}
    training = TrainingConfig(
        steps=arguments.steps,
        eval_every=arguments.steps,
        sample_tokens=0,
        skill_pairs=0,
        seed=seed,
        device="cpu",
        **rates,
    )
    model = preset(architecture, size=arguments.size, d_vocab=1)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("llm.training.optimizers.muon.step_scale", SCALES.get(name, step_scale)),
    ):
        trainer = start_run(model, training, "bpe", text, "training.txt", Path(folder), tokenizer=tokenizer)
        for metrics in trainer:
            if metrics.step == arguments.steps and metrics.evaluation is not None:
                return float(metrics.evaluation.loss)
    return math.inf


def variants(only: list[str]) -> Iterator[tuple[str, float]]:
    for name, rates in RATES.items():
        if not only or name in only:
            yield from ((name, rate) for rate in rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=["llama"])
    parser.add_argument("--size", default="small")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--only", nargs="*", default=[], choices=list(RATES))
    arguments = parser.parse_args()
    text = read_text(PROJECT / "training.txt")
    tokenizer = build_tokenizer("bpe", text)
    for architecture in arguments.architectures:
        for name, rate in variants(arguments.only):
            losses = [
                final_loss(architecture, name, rate, arguments, seed, text, tokenizer) for seed in arguments.seeds
            ]
            print(f"{architecture:6} {name:16} {rate:<6g} {' '.join(f'{loss:.3f}' for loss in losses)}", flush=True)


if __name__ == "__main__":
    main()
