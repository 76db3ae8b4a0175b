"""The time in which this project's small llama reaches the loss of the plain recipe (`plain_recipe.py`).

Both read the same characters, and the loss is that of the whole validation text. The llama has as many parameters
(within 2 %) and the same context, and trains for as few steps as reach the loss: their number is fixed below, and a run
that ends above the loss counts as infinitely slow. `time-to-loss` is the time of optimizer steps alone,
`time-from-start` everything that `start_run` and its evaluations, samples and files take.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from benchmarks import plain_recipe
from benchmarks.models import parameters
from benchmarks.plain_recipe import CONTEXT, Outcome, PlainModel
from benchmarks.rows import Row
from llm import TrainingConfig, Transformer, preset
from llm.config import ModelConfig
from llm.data import TextData, read_text, train_tokenizer
from llm.training.setup import start_run

PROJECT = Path(__file__).parents[1]
SHAKESPEARE = PROJECT.parent / "shared" / "data" / "shakespeare.txt"
TEXT = SHAKESPEARE if SHAKESPEARE.exists() else PROJECT / "training.txt"
TRAINING = TrainingConfig(
    steps=128, batch_size=32, learning_rate=0.02, muon_learning_rate=0.04, beta2=0.95, eval_every=64, device="cpu"
)


def model_config(d_vocab: int) -> ModelConfig:
    """The small llama with a fourth layer and an MLP that makes it as large as the recipe."""
    return preset("llama", "small", d_vocab=d_vocab, n_layers=plain_recipe.LAYERS, n_ctx=CONTEXT, d_mlp=344)


@cache
def plain() -> Outcome:
    """Of the recipe."""
    text = read_text(TEXT)
    tokenizer = train_tokenizer("char", text)
    return plain_recipe.train(TextData.from_text(text, tokenizer, CONTEXT), tokenizer.d_vocab)


@cache
def ours() -> tuple[Outcome, float]:
    """Of the llama, and the seconds from its start to its end."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trainer = start_run(model_config(1), TRAINING, "char", read_text(TEXT), TEXT.name, folder)
        *_, last = trainer
        whole = time.perf_counter() - started
    assert last.final_evaluation is not None
    return Outcome(trainer.seconds, last.final_evaluation.loss), whole


def row(from_start: bool, bar: float) -> Row:
    def reach() -> float:
        (seconds, loss), whole = ours()
        print(f"  loss {loss:.4f}, the recipe's {plain().loss:.4f}")
        return math.inf if loss > plain().loss else whole if from_start else seconds

    d_vocab = len(set(read_text(TEXT)))
    both = parameters(Transformer(model_config(d_vocab)), PlainModel(d_vocab))
    return Row(reach, lambda: plain().seconds, "the plain recipe", bar, once=True, parameters=(both[0], both[1]))


ROWS: dict[str, Callable[[], Row]] = {
    "time-to-loss": lambda: row(False, 1 / 0.12),
    "time-from-start": lambda: row(True, 1 / 0.2),
}
