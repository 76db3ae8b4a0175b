"""Is it this circuit that copies? Take parts away, or change what there is to copy, and see what the model predicts.

A repetition is a prompt whose last token, x, occurred before, at p; the piece to be copied, y, is the token at p + 1.
If the model looks y up there, then with another piece z at p + 1 it predicts z instead, and without the heads that look
it up it predicts neither. A model that knows y otherwise goes on to predict y.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llm.interpret.ablation import Head, ablate
from llm.interpret.copied_pieces import CopyingLoss, copying_loss
from llm.interpret.copying import earlier_occurrences
from llm.interpret.recording import as_batch, check_pair, record
from llm.model import Transformer
from llm.runtime.stepwise import stepwise


@dataclass(frozen=True)
class Repetition:
    """A prompt, the position at which its last token occurred before, and the piece that followed it there."""

    prompt: tuple[int, ...]
    earlier: int

    @property
    def piece(self) -> int:
        """The token to be copied."""
        return self.prompt[self.earlier + 1]

    @property
    def positions(self) -> list[int]:
        """Every position of this piece that follows the prompt's last token: all the places to copy it from."""
        before_and_here = enumerate(zip(self.prompt, self.prompt[1:], strict=False), start=1)
        return [position for position, pair in before_and_here if pair == (self.prompt[-1], self.piece)]

    def replaced(self, other: int) -> tuple[int, ...]:
        """The prompt with `other` in all these positions."""
        positions = set(self.positions)
        return tuple(other if position in positions else token for position, token in enumerate(self.prompt))


@dataclass(frozen=True)
class Experiment:
    """A prompt to predict the next token of, and the heads that are ablated meanwhile (their outputs become zero)."""

    prompt: tuple[int, ...]
    heads: tuple[Head, ...] = ()


def last_repetition(tokens: Sequence[int], known: bool = False) -> Repetition | None:
    """The longest prompt of a text that ends at a repeated token. None if nothing in it is repeated.

    A token that is not the text's last one counts only if the text repeats what followed it, too. With `known`, the
    last one does not count: the text itself must show that it goes on with the piece.
    """
    if not tokens:
        return None
    earlier = earlier_occurrences(torch.tensor([list(tokens)]))[0].tolist()
    for query in range(len(tokens) - 1, -1, -1):
        last = query == len(tokens) - 1
        if earlier[query] >= 0 and (not known if last else tokens[query + 1] == tokens[earlier[query] + 1]):
            return Repetition(tuple(tokens[: query + 1]), earlier[query])
    return None


def other_pieces(
    train: Int[Tensor, " tokens"], repetition: Repetition, among: Int[Tensor, " token"], count: int = 8
) -> list[int]:
    """Stand-ins for the piece to be copied: those of `among` about as common as it after the prompt's last token.

    Sorted by |ln(1 + c(x z)) − ln(1 + c(x y))| of the counts in `train`, then by the same of c(z) and c(y). Pass pieces
    that a text copies elsewhere: what a text never copies, such as a comma, is no fair alternative. Tokens that the
    prompt contains do not count. Where fewer than two are left, all other tokens take part, or else the prompt's own.
    """
    size = 1 + max(int(train.max()), int(among.max()) if len(among) else 0, *repetition.prompt)
    after = torch.bincount(train[1:][train[:-1] == repetition.prompt[-1]].long(), minlength=size)  # [token]
    overall = torch.bincount(train.long(), minlength=size)  # [token]
    far_after, far_overall = (
        ((1.0 + counts).log() - (1.0 + counts[repetition.piece]).log()).abs().tolist() for counts in (after, overall)
    )
    unused = sorted({*range(size)} - {*repetition.prompt})
    fitting = sorted({*among.tolist()} - {*repetition.prompt})
    candidates = (
        fitting if len(fitting) > 1 else unused or [token for token in range(size) if token != repetition.piece]
    )
    return sorted(candidates, key=lambda token: (far_after[token], far_overall[token]))[:count]


@stepwise
def answer_probabilities(
    model: Transformer, experiments: Sequence[Experiment], pair: tuple[int, int]
) -> Generator[None, None, Float[Tensor, "experiment answer"]]:
    """The probability of each token of `pair` after each experiment's prompt. Yields after each experiment.

    Raises:
        ValueError: a token outside the vocabulary, a head that does not exist, or invalid prompts (see `as_batch`).
    """
    check_pair(model, pair)
    rows = []
    for experiment in experiments:
        tokens = as_batch(model, torch.tensor([experiment.prompt]))
        with ablate(model, experiment.heads) as altered:
            logits = record(altered, tokens, ["logits"])["logits"][0, -1]  # [d_vocab]
        rows.append(logits.float().softmax(dim=-1)[list(pair)].cpu())
        yield
    return torch.stack(rows)


@stepwise
def copying_losses_without(
    model: Transformer,
    inputs: Int[Tensor, "batch pos"],
    targets: Int[Tensor, "batch pos"],
    copied: Bool[Tensor, "batch pos"],
    ablations: Sequence[Collection[Head]],
) -> Generator[None, None, list[CopyingLoss]]:
    """`copying_loss` with each collection of heads zero-ablated. Yields after each batch of texts of each.

    Raises:
        ValueError: a head that does not exist, or as `copying_loss`.
    """
    results = []
    for heads in ablations:
        with ablate(model, heads) as altered:
            results.append((yield from copying_loss.steps(altered, inputs, targets, copied)))
    return results
