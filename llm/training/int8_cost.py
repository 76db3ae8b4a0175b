"""What rounding a model's weights to integers of 8 bits costs, and what it saves: the same model twice, on one text."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from llm.checkpoints import Run
from llm.int8 import quantised, weight_bytes
from llm.model import Transformer
from llm.reading import Reader
from llm.runtime.stepwise import stepwise
from llm.runtime.text import with_error
from llm.training.evaluation import CLEAR, Evaluation, evaluate_passages, ratio
from llm.training.run_evaluation import Part, measured_on
from llm.world.asking import PLAIN_NAMES
from llm.world.skills import SkillScore, is_world_text, skills

TIMED_TOKENS = 64
TIMES = 5


@dataclass(frozen=True)
class WeightsMeasured:
    """A model with its weights in one number format."""

    bytes: int  # of the weights in memory
    milliseconds_per_token: float  # see `int8_cost`
    evaluation: Evaluation
    skills: dict[str, SkillScore]  # on the story world's text, else empty


@dataclass(frozen=True)
class Int8Cost:
    """The weights in float32 and as integers of 8 bits."""

    run: str
    step: int
    float32: WeightsMeasured
    int8: WeightsMeasured
    bits_per_character_change: float  # above 0: the integers predict worse
    standard_error: float | None  # of the change: passage by passage, so what makes a passage hard cancels


@stepwise
def int8_cost(
    run: Run, part: Part = "validation", text: str | None = None, skill_pairs: int = 50
) -> Generator[None, None, Int8Cost]:
    """Measure a run's model with its weights in float32 and as integers (`llm.int8`).

    Both on all of a part of the run's text, or of `text`, all else in float32. The time of a token is that from its id
    to the logits after it, of one text with keys and values cached: the least of several readings of the text's
    beginning, in turn. There the integers are multiplied in bfloat16 on a CPU, which the losses do not contain.

    Yields after each batch and each reading.

    Raises:
        ValueError: as `evaluate_run`, or the weights contain NaN or infinity.
    """
    passages, measured = measured_on(run, part, text)
    of_the_world = skill_pairs > 0 and is_world_text(measured)
    models = {"float32": run.model, "int8": quantised(run.model)}
    batch_size = run.folder.config().training.batch_size
    tokens = passages.tokens[: min(TIMED_TOKENS, run.config.n_ctx)].tolist()
    seconds = dict.fromkeys(models, math.inf)
    for reading in range(TIMES + 1):
        for name, model in models.items():
            found = _seconds(model, tokens) / len(tokens)
            seconds[name] = min(seconds[name], found) if reading else seconds[name]  # the first prepares
            yield
    results, nats = {}, {}
    for name, model in models.items():
        evaluation, sums = yield from evaluate_passages.steps(model, passages, None, batch_size)
        scores = skills(model, run.tokenizer, skill_pairs) if of_the_world else {}
        results[name] = WeightsMeasured(weight_bytes(model), 1000 * seconds[name], evaluation, scores)
        nats[name], characters = torch.tensor(sums.nats, dtype=torch.float64), torch.tensor(sums.characters)
        yield
    change = ratio((nats["int8"] - nats["float32"]) / math.log(2), characters)
    return Int8Cost(run.folder.id, run.step, **results, bits_per_character_change=change.value,
                    standard_error=change.standard_error)  # fmt: skip


def _seconds(model: Transformer, tokens: Sequence[int]) -> float:
    """Read these tokens one after the other."""
    reader = Reader(model, use_cache=True, length=len(tokens))
    started = time.perf_counter()
    for length in range(1, len(tokens) + 1):
        reader.next_logits(list(tokens[:length]))
    return time.perf_counter() - started


class CostRow(NamedTuple):
    """A figure of both, for a table."""

    figure: str
    float32: str
    int8: str
    change: str


def cost_rows(cost: Int8Cost) -> list[CostRow]:
    """The figures in words: size, time, loss and skills."""
    before, after = cost.float32, cost.int8
    bits = [
        with_error(side.evaluation.bits_per_character, side.evaluation.bits_per_character_standard_error, 4)
        for side in (before, after)
    ]
    times = before.milliseconds_per_token, after.milliseconds_per_token
    rows = [
        CostRow("weights, MB", f"{before.bytes / 1e6:,.2f}", f"{after.bytes / 1e6:,.2f}",
                f"× {after.bytes / before.bytes:.2f}"),
        CostRow("ms per token", f"{times[0]:.2f}", f"{times[1]:.2f}", f"× {times[1] / times[0]:.2f}"),
        CostRow("bits per character", bits[0], bits[1],
                with_error(cost.bits_per_character_change, cost.standard_error, 5)),
    ]  # fmt: skip
    for skill, score in before.skills.items():
        other = after.skills[skill].accuracy
        change = round(100 * (other - score.accuracy))
        percentages = f"{100 * score.accuracy:.0f}%", f"{100 * other:.0f}%"
        rows.append(CostRow(PLAIN_NAMES[skill], percentages[0], percentages[1], f"{change:+d}" if change else "0"))
    return rows


def in_words(cost: Int8Cost) -> str:
    """Whether the integers predict worse, in a sentence."""
    if cost.standard_error is None:
        return "From a single passage there is no telling whether the change of the loss is chance."
    change, error = cost.bits_per_character_change, cost.standard_error
    if abs(change) <= CLEAR * error:
        return "The change of the loss is no more than chance: at most twice its standard error."
    return f"On this text the integers predict {'worse' if change > 0 else 'better'}, by more than chance."
