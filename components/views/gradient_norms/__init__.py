"""The view *Gradient norm of each layer*: how large the gradients of each part of the model were in every step."""

from __future__ import annotations

from typing import Any

from components.shared.browser import BrowserComponent
from components.shared.explanation import Explanation
from components.shared.parameters import Query, int_param
from components.shared.plotly import PLOTLY_URL, plotly_bytes
from components.shared.selection import WholeRun, run_from_request
from components.shared.view import Question, Table, View
from llm.checkpoints import RunFolder
from llm.training.trainer import Trainer

COMPARED = 10  # first steps, over which layers are compared with the prediction

EXPLANATION = Explanation(
    "Gradient norm of each layer",
    "How strongly the loss depends on the weights of one part of the model: the embeddings, each block, and the final "
    "norm with the unembedding. The squares of these norms sum to the square of the whole gradient's norm. A layer "
    "whose norm stays far below the others' hardly learns; a sudden rise announces that training may diverge. Measured "
    "in every step, before the gradient is clipped.",
    r"\lVert g_\text{layer} \rVert_2 = \sqrt{\sum_{j \in \text{layer}} g_j^2}, \quad "
    r"\lVert g \rVert_2^2 = \sum_\text{layer} \lVert g_\text{layer} \rVert_2^2",
    (Trainer.__next__,),
    "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
)


def data(run: WholeRun, query: Query) -> dict[str, Any]:
    """What the script is told."""
    return {
        "title": f"Gradient norm of each layer · run {run.run_id}",
        "steps": run.folder().config().training.steps,
        "sources": {"norms": run.address("train/gradient_norms"), "plotly": PLOTLY_URL},
    }


def norms_json(run: WholeRun, query: Query) -> dict[str, Any]:
    """The norms of all steps from byte `from` of metrics.jsonl on, by layer; None where one was not finite."""
    folder = run.folder()
    chunk = folder.read_metrics(int_param(query, "from", digits=15))
    rows = [row for row in chunk.rows if row.get("grad_norms")]
    layers = list(dict.fromkeys(layer for row in rows for layer in row["grad_norms"]))
    return {
        "reset": chunk.reset,
        "next": chunk.next_offset,
        "training": folder.status().state in ("running", "paused"),
        "steps": [row["step"] for row in rows],
        "norms": {layer: [_rounded(row["grad_norms"].get(layer)) for row in rows] for layer in layers},
    }


def _rounded(norm: float | None) -> float | None:
    return None if norm is None else float(f"{norm:.5g}")


def measured(run: WholeRun, query: Query) -> str:
    """Which layer had the largest gradients in the first steps."""
    rows = [row["grad_norms"] for row in _rows(run.folder())[:COMPARED]]
    if not rows:
        return "Nothing has been measured yet: the run has not taken its first step."
    means = {layer: sum(row.get(layer, 0.0) for row in rows) / len(rows) for layer in rows[0]}
    largest = max(means, key=lambda layer: means[layer])
    return f"Measured: over the first {len(rows)} steps it is **{largest}**, with a mean norm of {means[largest]:.3g}."


def _rows(folder: RunFolder) -> list[dict[str, Any]]:
    """The steps in which gradients were measured."""
    return [row for row in folder.read_metrics().rows if row.get("grad_norms")]


def table(run: WholeRun, query: Query) -> Table:
    """A row for each step, a column for each layer."""
    rows = _rows(run.folder())
    layers = list(dict.fromkeys(layer for row in rows for layer in row["grad_norms"]))
    cells = ([row["step"], row["grad_norm"], *(row["grad_norms"].get(layer) for layer in layers)] for row in rows)
    return Table(f"gradient_norms-{run.run_id}", ["step", "all", *layers], cells)


VIEW = View(
    page="train",
    name="gradient_norms",
    label="Gradient norm of each layer",
    order=1,
    subject=run_from_request,
    question=Question(
        "In the first steps of training, which part of the model has the largest gradients?",
        ("The embeddings", "The first block", "The last block", "The final norm and the unembedding"),
    ),
    component=BrowserComponent("gradient_norms", "views/gradient_norms/view.js"),
    choose=lambda run: (run, {}),
    data=data,
    events={},
    measured=measured,
    explained=(EXPLANATION,),
    footer=None,
    routes={"gradient_norms": norms_json},
    table=table,
    sources=lambda run, query: {"norms": norms_json(run, query), "plotly": plotly_bytes()},
)
