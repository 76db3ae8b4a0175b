"""Looking inside a model: what each line of its code makes of real input, and what its weights have learned.

Every figure is defined in its function's docstring. The names below are imported when first used, so that
`llm.trace.lines` alone stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm.interpret.ablation import Effect, ablate, ablation_effect, edit_pattern, effect
    from llm.interpret.decomposition import Component, decompose
    from llm.interpret.direct_attribution import Attribution, attribution
    from llm.interpret.embeddings import (
        EmbeddingMap,
        Neighbours,
        distance_curves,
        embedding_map,
        nearest,
        position_cosines,
    )
    from llm.interpret.heads import (
        HeadScores,
        InductionLoss,
        head_scores,
        induction_loss,
        pattern_scores,
        repeated_tokens,
        value_weighted_pattern,
    )
    from llm.interpret.logit_lens import Lens, lens, lens_logits
    from llm.interpret.neurons import Excitations, NeuronEffect, excitations, neuron_effect
    from llm.interpret.patching import Patch, PatchMap, logit_difference, patch, patch_effect
    from llm.interpret.positions import InContextScore, in_context_score, loss_by_position
    from llm.interpret.recording import Record, activation_names, record, records, twin
    from llm.interpret.residual import ResidualStream, residual_stream

_HOMES = {
    "Attribution": "llm.interpret.direct_attribution",
    "Component": "llm.interpret.decomposition",
    "Effect": "llm.interpret.ablation",
    "EmbeddingMap": "llm.interpret.embeddings",
    "Excitations": "llm.interpret.neurons",
    "HeadScores": "llm.interpret.heads",
    "InContextScore": "llm.interpret.positions",
    "InductionLoss": "llm.interpret.heads",
    "Lens": "llm.interpret.logit_lens",
    "Neighbours": "llm.interpret.embeddings",
    "NeuronEffect": "llm.interpret.neurons",
    "Patch": "llm.interpret.patching",
    "PatchMap": "llm.interpret.patching",
    "Record": "llm.interpret.recording",
    "ResidualStream": "llm.interpret.residual",
    "ablate": "llm.interpret.ablation",
    "ablation_effect": "llm.interpret.ablation",
    "activation_names": "llm.interpret.recording",
    "attribution": "llm.interpret.direct_attribution",
    "decompose": "llm.interpret.decomposition",
    "distance_curves": "llm.interpret.embeddings",
    "edit_pattern": "llm.interpret.ablation",
    "effect": "llm.interpret.ablation",
    "embedding_map": "llm.interpret.embeddings",
    "excitations": "llm.interpret.neurons",
    "head_scores": "llm.interpret.heads",
    "in_context_score": "llm.interpret.positions",
    "induction_loss": "llm.interpret.heads",
    "lens": "llm.interpret.logit_lens",
    "lens_logits": "llm.interpret.logit_lens",
    "logit_difference": "llm.interpret.patching",
    "loss_by_position": "llm.interpret.positions",
    "nearest": "llm.interpret.embeddings",
    "neuron_effect": "llm.interpret.neurons",
    "patch": "llm.interpret.patching",
    "patch_effect": "llm.interpret.patching",
    "pattern_scores": "llm.interpret.heads",
    "position_cosines": "llm.interpret.embeddings",
    "record": "llm.interpret.recording",
    "records": "llm.interpret.recording",
    "repeated_tokens": "llm.interpret.heads",
    "residual_stream": "llm.interpret.residual",
    "twin": "llm.interpret.recording",
    "value_weighted_pattern": "llm.interpret.heads",
}

__all__ = [
    "Attribution",
    "Component",
    "Effect",
    "EmbeddingMap",
    "Excitations",
    "HeadScores",
    "InContextScore",
    "InductionLoss",
    "Lens",
    "Neighbours",
    "NeuronEffect",
    "Patch",
    "PatchMap",
    "Record",
    "ResidualStream",
    "ablate",
    "ablation_effect",
    "activation_names",
    "attribution",
    "decompose",
    "distance_curves",
    "edit_pattern",
    "effect",
    "embedding_map",
    "excitations",
    "head_scores",
    "in_context_score",
    "induction_loss",
    "lens",
    "lens_logits",
    "logit_difference",
    "loss_by_position",
    "nearest",
    "neuron_effect",
    "patch",
    "patch_effect",
    "pattern_scores",
    "position_cosines",
    "record",
    "records",
    "repeated_tokens",
    "residual_stream",
    "twin",
    "value_weighted_pattern",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'llm.interpret' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
