"""What is measured over held-out text: copied pieces, and the loss with and without each head."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from components.shared.selection import Selection, text_data
from components.views.circuit.choices import Choices
from llm.interpret.ablation import Head
from llm.interpret.copied_pieces import CopiedPieces, CopyingLoss, copied_pieces, copying_loss
from llm.interpret.copying import CopyingScores, copying_scores
from llm.interpret.copying_test import copying_losses_without
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

MEASURED = 4096  # tokens of held-out text, in windows of n_ctx
ABLATED = 48  # heads that are ablated one by one; in a model with more, those of the pair's layers

_pieces: ResultCache[CopiedPieces] = ResultCache(4)
_losses: ResultCache[CopyingLoss] = ResultCache(200)
_held_out: ResultCache[list[CopyingLoss]] = ResultCache(8)
_scores: ResultCache[CopyingScores] = ResultCache(8)


def windows_of(selection: Selection) -> tuple[Tensor, Tensor]:
    """Windows of the run's held-out text, and the tokens that follow."""
    count = max(2, MEASURED // selection.run().config.n_ctx)
    return compute.run(text_data(selection).evaluation_windows, count)


def pieces_of(selection: Selection) -> CopiedPieces:
    """The copied pieces of the windows."""
    run, data = selection.run(), text_data(selection)
    return _pieces.get(
        run.folder.path,
        lambda: compute.run(copied_pieces, *windows_of(selection), data.counted, run.config.d_vocab),
    )


def copied_tokens(selection: Selection) -> Tensor:
    """The tokens that the held-out text copies, each once."""
    pieces, (_, targets) = pieces_of(selection), windows_of(selection)
    return targets[pieces.row, pieces.query].unique()


def loss_of(selection: Selection) -> CopyingLoss:
    """Loss and accuracy on the copied pieces of the windows, and the loss of all other tokens."""
    run = selection.run()

    def compute_loss() -> CopyingLoss:
        inputs, targets = windows_of(selection)
        copied = pieces_of(selection).mask(inputs.shape)
        return compute.finish(copying_loss.steps(run.model, inputs, targets, copied))

    return _losses.get((run.folder.path, run.step), compute_loss)


def held_out_json(selection: Selection, choices: Choices) -> dict[str, Any]:
    """Over held-out text: how much the loss of copied pieces, and of the other tokens, grows without each head.

    And the copying head's copying score on these pieces alone, beside that of a head that attends evenly.
    """
    run, pieces = selection.run(), pieces_of(selection)
    heads = run.config.n_heads
    layers = list(range(run.config.n_layers))
    if len(layers) * heads > ABLATED:
        layers = [choices.previous[0], choices.copying[0]]
    if not len(pieces.query):
        return {"pieces": 0}

    def compute_losses() -> list[CopyingLoss]:
        inputs, targets = windows_of(selection)
        alone: list[tuple[Head, ...]] = [((layer, head),) for layer in layers for head in range(heads)]
        copied = pieces.mask(inputs.shape)
        return compute.finish(copying_losses_without.steps(run.model, inputs, targets, copied, [(), *alone]))

    def compute_scores() -> CopyingScores:
        inputs, targets = windows_of(selection)
        return compute.finish(copying_scores.steps(run.model, inputs, targets, only=pieces.mask(inputs.shape)))

    whole, *without = _held_out.get((run.folder.path, run.step, tuple(layers)), compute_losses)
    scores = _scores.get((run.folder.path, run.step), compute_scores)
    grown = [[loss.copied - whole.copied, loss.rest - whole.rest] for loss in without]
    return {
        "pieces": len(pieces.query),
        "loss": whole.copied,
        "rest": whole.rest,
        "accuracy": whole.accuracy,
        "copying": float(scores.copying[choices.copying]),
        "evenly": scores.uniform,
        "layers": layers,
        "grown": [grown[row * heads : (row + 1) * heads] for row in range(len(layers))],
    }
