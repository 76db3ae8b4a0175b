"""The logit lens of a selection, used by more than one view: its rows, and the final predictions."""

from __future__ import annotations

from components.shared.selection import Selection
from components.shared.texts import batch_of_one
from components.shared.view import require_finite
from llm.interpret.logit_lens import LogitLens, logit_lens
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

MOST = 20  # predictions that are stored

_lenses: ResultCache[LogitLens] = ResultCache(8)


def lens_of(selection: Selection) -> LogitLens:
    """The lens on a text, computed one row at a time, so that a training run continues between rows."""
    run = selection.run()

    def compute_lens() -> LogitLens:
        lens = compute.finish(logit_lens.steps(run.model, batch_of_one(selection.tokens), MOST))
        require_finite("This model's logits", lens.top_probabilities)
        return lens

    return _lenses.get((run.folder.path, run.step, selection.tokens), compute_lens)


def row_names(selection: Selection) -> list[str]:
    """The names of a lens's rows."""
    return ["embedding", *(f"layer {layer}" for layer in range(selection.run().config.n_layers))]
