"""The view *The batch at a step*: what an optimizer step learns from, each token shaded by its loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from components.shared.browser import BrowserComponent
from components.shared.checkpoint_choice import pick_step
from components.shared.parameters import Query, int_param
from components.shared.selection import WholeRun, run_from_request
from components.shared.session import Address, Session
from components.shared.view import Question, Table, View, require_finite
from components.views.batch.explanations import BATCH, HARDEST, TOKEN_LOSS
from llm.background.opened import open_run
from llm.checkpoints import Run
from llm.data import DATA_ORDER, TextData
from llm.data.documents import document_boundary
from llm.interpret.batch_losses import BatchLosses, batch_losses, step_windows
from llm.runs.corpus import run_corpus
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

MOST_TOKENS = 4096  # shown; of a larger batch its first windows
LISTED = 30  # hardest tokens

Shown = tuple[list[list[int]], BatchLosses]  # the tokens of each window, the first without a loss; and the rest
_texts: ResultCache[TextData] = ResultCache(2)
_batches: ResultCache[Shown] = ResultCache(8)


def choose(run: WholeRun) -> tuple[WholeRun, Query]:
    """Choose a snapshot; while a run is paused, the newest is the model as it is now."""
    folder = run.folder()
    snapshots = sorted(folder.snapshots(), reverse=True)
    if not snapshots:
        raise ValueError("There are no weights yet: the run has not taken its first step, or has not written it")
    step = pick_step(folder, [None, *snapshots], f"The newest: after step {snapshots[0]:,}", Session.TRAIN_BATCH)
    return run, {Address.STEP: str(snapshots[0] if step is None else step)}


def data(run: WholeRun, query: Query) -> dict[str, Any]:
    """Data for the script."""
    step = int_param(query, Address.STEP)
    return {
        "title": f"The batch of step {step + 1:,} · run {run.run_id}",
        "sources": {"batch": run.address("train/batch", step=step)},
    }


def batch_of(run: WholeRun, query: Query) -> tuple[Run, Shown]:
    """The opened snapshot, and the batch of the step after it. Raises ValueError for a run of another data order."""
    step = int_param(query, Address.STEP)
    folder = run.folder()
    if (scheme := folder.config().about(str, "data_order", "scheme")) != DATA_ORDER:
        raise ValueError(f"This run read its text in another order than today's runs: {scheme or 'it is not recorded'}")
    opened = open_run(folder.path, step)

    def measure() -> Shown:
        text = _texts.get(folder.path, lambda: run_corpus(opened.folder, opened.tokenizer).data(opened.config.n_ctx))
        training = folder.config().training
        inputs, targets = step_windows(text, training, step + 1)  # each [batch, pos]
        boundary = document_boundary(opened.tokenizer, training)
        shown = slice(max(1, MOST_TOKENS // opened.config.n_ctx))
        found = compute.finish(batch_losses.steps(opened.model, inputs[shown], targets[shown], boundary=boundary))
        require_finite("This model's logits", found.losses)
        first_and_targets = zip(inputs[shown, :1].tolist(), targets[shown].tolist(), strict=True)
        return [first + rest for first, rest in first_and_targets], found

    return opened, _batches.get(folder.weights_version(step), measure)


def batch_json(run: WholeRun, query: Query) -> dict[str, Any]:
    """The windows as token ids with the text of each id, the loss of each token but the first, and the guesses."""
    opened, (tokens, found) = batch_of(run, query)
    config = run.folder().config()
    step = opened.step + 1
    windows = config.training.batch_size * config.training.accumulation
    guesses = found.guesses.tolist()
    used = {token for window in tokens for token in window} | {int(token) for token in found.guesses.unique()}
    row = next((row for row in run.folder().read_metrics().rows if row["step"] == step), {})
    return {
        "step": step,
        "taken": step <= config.training.steps,
        "windows": windows,
        "mean": float(found.losses.double().mean()),
        "recorded": row.get("loss") if len(tokens) == windows else None,
        "uniform": math.log(opened.config.d_vocab),
        "texts": {token: opened.tokenizer.token_text(token) for token in sorted(used)},
        "tokens": tokens,
        "losses": [[round(loss, 4) for loss in window] for window in found.losses.tolist()],
        "guesses": guesses,
        "probabilities": [
            [[round(value, 4) for value in position] for position in window] for window in found.probabilities.tolist()
        ],
        "hardest": found.hardest(LISTED),
    }


def measured(run: WholeRun, query: Query) -> str:
    """How much of the loss the hardest tenth has."""
    _, (_, found) = batch_of(run, query)
    return f"Measured: the hardest tenth of the tokens has **{found.fraction_of_hardest():.0%}** of the loss."


def table(run: WholeRun, query: Query) -> Table:
    """A row for each token that has a loss."""
    opened, (tokens, found) = batch_of(run, query)
    text = opened.tokenizer.token_text
    numbers = range(1, found.guesses.shape[2] + 1)
    header = ["window", "pos", "token", "loss", *(f"{what} {n}" for n in numbers for what in ("guess", "p"))]

    def rows() -> Iterator[list[Any]]:
        for window, losses in enumerate(found.losses.tolist()):
            for pos, loss in enumerate(losses):
                guesses = zip(
                    found.guesses[window, pos].tolist(), found.probabilities[window, pos].tolist(), strict=True
                )
                cells = [cell for token, p in guesses for cell in (text(token), p)]
                yield [window, pos, text(tokens[window][pos + 1]), loss, *cells]

    return Table(f"batch-{run.run_id}-step-{opened.step + 1}", header, rows())


VIEW = View(
    page="train",
    name="batch",
    label="The batch at a step",
    order=2,
    subject=run_from_request,
    question=Question(
        "Take the tenth of a batch's tokens that surprise the model most. How much of the batch's loss do they have?",
        ("About a tenth", "About a quarter", "About half", "Nearly all"),
    ),
    component=BrowserComponent("batch", "views/batch/view.js"),
    choose=choose,
    data=data,
    events={},
    measured=measured,
    explained=(BATCH, TOKEN_LOSS, HARDEST),
    footer=None,
    routes={"batch": batch_json},
    table=table,
    sources=lambda run, query: {"batch": batch_json(run, query)},
    next_token=True,
)
