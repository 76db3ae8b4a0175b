"""The view *Gradient norm of each layer*: how large the gradients of each part of the model were in every step."""

from __future__ import annotations

import math
from typing import Any

from components.shared.browser import BrowserComponent
from components.shared.parameters import Query, int_param
from components.shared.plotly import PLOTLY_URL, plotly_bytes
from components.shared.run_names import run_name
from components.shared.selection import WholeRun, run_from_request
from components.shared.view import Question, Table, View
from components.views.gradient_norms.explanations import LAYER_GRADIENT_NORM
from llm.checkpoints import RunFolder

COMPARED = 10  # first steps, over which layers are compared with the prediction


def data(run: WholeRun, query: Query) -> dict[str, Any]:
    """Data for the script."""
    return {
        "title": f"Gradient norm of each layer · {run_name(run.run_id)}",
        "steps": run.folder().config().training.steps,
        "sources": {"norms": run.address("train/gradient_norms"), "plotly": PLOTLY_URL},
    }


def norms_json(run: WholeRun, query: Query) -> dict[str, Any]:
    """The norms of all steps from byte `from` of metrics.jsonl on, by layer; None where one was not finite."""
    folder = run.folder()
    chunk = folder.read_metrics(int_param(query, "from", digits=15))
    rows = [row for row in chunk.rows if row.get("grad_norms")]
    names = _names(folder, rows)
    return {
        "reset": chunk.reset,
        "next": chunk.next_offset,
        "training": folder.status().state in ("running", "paused"),
        "steps": [row["step"] for row in rows],
        "norms": {name: [_rounded(row["grad_norms"].get(layer)) for row in rows] for layer, name in names.items()},
    }


def _names(folder: RunFolder, rows: list[dict[str, Any]]) -> dict[str, str]:
    """The displayed names of the model's layers that these rows measure; a tied unembedding is the embedding matrix."""
    model = folder.config().model
    tied = model.tie_embeddings
    names = {
        "embed": "embeddings and unembedding" if tied else "embeddings",
        "final": "final norm" if tied else "final norm and unembedding",
    }
    layers = ["embed", *(f"block {index}" for index in range(model.n_layers)), "final"]
    seen = {layer for row in rows for layer in row["grad_norms"]}  # a file from outside may have other names too
    return {layer: names.get(layer, layer) for layer in layers if layer in seen}


def _rounded(norm: float | None) -> float | None:
    return None if norm is None or math.isinf(norm) else float(f"{norm:.5g}")


def measured(run: WholeRun, query: Query) -> str:
    """Which layer had the largest gradients in the first steps."""
    folder = run.folder()
    rows = _rows(folder)[:COMPARED]
    names = _names(folder, rows)
    if not names:
        return "Nothing has been measured yet: the run has not taken its first step."
    means = {layer: sum(row["grad_norms"].get(layer) or 0.0 for row in rows) / len(rows) for layer in names}
    largest = max(means, key=lambda layer: means[layer])
    return (
        f"Measured: over the first {len(rows)} steps it is **{names[largest]}**, "
        f"with a mean norm of {means[largest]:.3g}."
    )


def _rows(folder: RunFolder) -> list[dict[str, Any]]:
    """The steps in which gradients were measured."""
    return [row for row in folder.read_metrics().rows if row.get("grad_norms")]


def table(run: WholeRun, query: Query) -> Table:
    """A row for each step, a column for each layer."""
    folder = run.folder()
    rows = _rows(folder)
    names = _names(folder, rows)
    cells = ([row["step"], row.get("grad_norm"), *(row["grad_norms"].get(layer) for layer in names)] for row in rows)
    return Table(f"gradient_norms-{run.run_id}", ["step", "all", *names.values()], cells)


VIEW = View(
    page="train",
    name="gradient_norms",
    label="Gradient norm of each layer",
    order=1,
    subject=run_from_request,
    question=Question(
        "In the first steps of training, which part of the model has the largest gradients?",
        ("The embeddings", "The first block", "The last block", "What follows the last block"),
    ),
    component=BrowserComponent("gradient_norms", "views/gradient_norms/view.js"),
    choose=lambda run: (run, {}),
    data=data,
    events={},
    measured=measured,
    explained=(LAYER_GRADIENT_NORM,),
    footer=None,
    routes={"gradient_norms": norms_json},
    table=table,
    sources=lambda run, query: {"norms": norms_json(run, query), "plotly": plotly_bytes()},
)
