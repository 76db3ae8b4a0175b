"""Validation loss and bits per character after the first minutes of training, for each preset.

    uv run python benchmarks/first_minute.py [--architectures gpt llama olmo] [--marks 15 30 60 180] [--text FILE] …

Trains with the defaults of the Train page (those of `TrainingConfig`, the small size, the default tokenizer), with
evaluations and samples as there, and measures at each mark on the same validation passages, and the percentage of
sentences in a sample of 1,500 tokens at temperature 0.8 that the story world could have produced. The clock shows what
a user of the page would see: it starts at Start and includes the tokenizer's training, evaluations and samples, but not
the extra measurements made here, nor what the app prepares when it starts (main.py). Every field of TrainingConfig and
ModelConfig can be set, to try other defaults: `--set learning_rate=0.002 n_layers=2`.
"""

from __future__ import annotations

import argparse
import ast
import tempfile
import time
from pathlib import Path
from typing import Any

from llm import TrainingConfig, preset
from llm.config import SamplingConfig, describe
from llm.data import read_text
from llm.presets import ARCHITECTURES, COURSE
from llm.sampling import generate
from llm.training.evaluation import evaluate
from llm.training.setup import start_run
from llm.world import check
from llm.world.asking import SKILLS, first_probes

SAMPLING = SamplingConfig(max_new_tokens=1500, temperature=0.8, seed=0)


def measure(architecture: str, text: Path, arguments: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Train one preset until the last mark or the end of the run, and print a row for each mark."""
    training = TrainingConfig(**{k: v for k, v in settings.items() if k in describe(TrainingConfig)})
    model_overrides = {k: v for k, v in settings.items() if k not in describe(TrainingConfig)}
    model = preset(architecture, arguments.size, d_vocab=1, **model_overrides)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        trainer = start_run(
            model, training, arguments.tokenizer, read_text(text), text.name, folder, arguments.d_vocab, architecture
        )
        marks = list(arguments.marks)
        sample = ""
        while marks:
            metrics = next(trainer, None)
            sample = metrics.sample or sample if metrics else sample
            clock = time.perf_counter() - started
            while marks and (clock >= marks[0] or metrics is None):
                passages = trainer.data.validation
                chosen = passages.evenly_spaced(training.eval_windows)
                evaluation = evaluate(trainer.model, passages, chosen, training.batch_size, trainer.autocast)
                output = generate(trainer.model, trainer.tokenizer, "\n", SAMPLING)
                trainer.model.train()
                when = f"{marks.pop(0):5.0f} s" if metrics else f"the end ({clock:.0f} s)"
                print(
                    f"{architecture:6} {when}  step {trainer.step:5d}  loss {evaluation.loss:.3f}  bits per character "
                    f"{evaluation.bits_per_character:.3f}  accuracy {evaluation.accuracy:.3f}  "
                    f"well-formed {check(output).well_formed_fraction:.2f}  {trainer.tokens_per_second:,.0f} tokens/s",
                    flush=True,
                )
                if metrics is None:
                    marks = []
                started += time.perf_counter() - started - clock
        if arguments.samples:
            print(sample, end="\n\n", flush=True)


def main() -> None:
    """Read the command line and measure the architectures one by one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=COURSE, choices=list(ARCHITECTURES))
    parser.add_argument("--size", default="small")
    parser.add_argument("--tokenizer", default="bpe")
    parser.add_argument("--d-vocab", type=int, default=None)
    parser.add_argument("--text", type=Path, default=Path(__file__).parents[1] / "training.txt")
    parser.add_argument("--marks", nargs="+", type=float, default=[15, 30, 60, 180])
    parser.add_argument("--samples", action="store_true", help="print the last sample of each run")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE")
    arguments = parser.parse_args()
    for skill in SKILLS:
        first_probes(skill, TrainingConfig.skill_pairs)
    settings: dict[str, Any] = {}
    for assignment in arguments.set:
        name, _, value = assignment.partition("=")
        try:
            settings[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name] = value
    print(settings or "the defaults")
    for architecture in arguments.architectures:
        measure(architecture, arguments.text, arguments, settings)


if __name__ == "__main__":
    main()
