"""Examples of a repetition in held-out text, on which a copying circuit can be followed."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from llm.interpret.copied_pieces import copied_pieces
from llm.interpret.copying_test import Experiment, Repetition, answer_probabilities, other_pieces
from llm.interpret.recording import record
from llm.model import Transformer
from llm.runtime.stepwise import stepwise

TRIED = 4  # times as many repetitions are tried as examples are wanted


@dataclass(frozen=True)
class CopyingExample:
    """A repetition, another piece in place of its own, and the probability of its own piece with and without it."""

    repetition: Repetition
    other: int
    probability: float
    replaced_probability: float


@stepwise
def copying_examples(
    model: Transformer, texts: Sequence[Sequence[int]], train: Int[Tensor, " tokens"], count: int = 8
) -> Generator[None, None, list[CopyingExample]]:
    """The repetitions, at most one of each text, in which the model depends most on the piece that it read before.

    That is the fall of the right piece's probability when another piece stands in its earlier place. It is measured
    for those that the model predicts best beyond what the token before tells: greatest log p − log p(bigram). Pieces
    with a single place to copy them from come first.
    Yields after each text and each measurement.

    Raises:
        ValueError: a text that is longer than n_ctx or has an id outside the vocabulary.
    """
    if not texts:
        return []
    inputs, targets = _padded(texts)
    pieces = copied_pieces(inputs, targets, train, model.config.d_vocab)
    among = targets[pieces.row, pieces.query].unique()  # pieces that these texts copy
    found: list[tuple[float, float, Repetition]] = []  # how much better than the bigram, probability, where
    for row in pieces.row.unique().tolist():
        tokens = torch.tensor([list(texts[row])])
        here = pieces.row == row
        query, earlier, bigram = pieces.query[here], pieces.earlier[here], pieces.bigram[here]  # each [piece]
        logits = record(model, tokens[:, :-1], ["logits"])["logits"][0].cpu().float()  # [pos, d_vocab]
        log_probability = logits.log_softmax(dim=-1)[query, tokens[0, query + 1]]  # [piece]
        gain = log_probability - bigram.log()  # [piece]
        repetitions = [
            Repetition(tuple(texts[row][: at + 1]), before)
            for at, before in zip(query.tolist(), earlier.tolist(), strict=True)
        ]
        once = torch.tensor([len(repetition.positions) == 1 for repetition in repetitions])  # one place to copy it from
        best = int((gain + 1e3 * once).argmax())
        found.append((float(gain[best]), float(log_probability[best].exp()), repetitions[best]))
        yield
    found.sort(key=lambda candidate: -candidate[0])
    examples = []
    for _, probability, repetition in found[: TRIED * count]:
        for other in other_pieces(train, repetition, among, 1):
            swapped = [Experiment(repetition.replaced(other))]
            (row_of_two,) = yield from answer_probabilities.steps(model, swapped, (repetition.piece, other))
            examples.append(CopyingExample(repetition, other, probability, float(row_of_two[0])))
    examples.sort(key=lambda example: example.replaced_probability - example.probability)
    return examples[:count]


def _padded(texts: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "text pos"], Int[Tensor, "text pos"]]:
    """Inputs and targets of texts of any length; what fills the shorter ones never counts as repeated."""
    length = max(2, *map(len, texts))
    inputs = torch.tensor([[*text[:-1], *[-1] * (length - max(1, len(text)))] for text in texts])
    targets = torch.tensor([[*text[1:], *[-2] * (length - max(1, len(text)))] for text in texts])
    return inputs, targets
