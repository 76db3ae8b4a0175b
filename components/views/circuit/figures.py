"""The figures of the circuit: computed on the compute thread, kept, and as JSON for the script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from components.shared.head_figures import scores_of
from components.shared.run_names import run_name
from components.shared.selection import Selection
from components.shared.texts import batch_of_one, token_texts
from components.shared.view import require_finite
from components.views.circuit.choices import Choices
from components.views.circuit.held_out import copied_tokens, loss_of, pieces_of, windows_of
from llm.interpret.ablation import Head
from llm.interpret.attention_patterns import attention_layers
from llm.interpret.composition import composition
from llm.interpret.copying_circuit import matched_tokens, own_ranks, written_tokens
from llm.interpret.copying_test import Experiment, answer_probabilities
from llm.interpret.direct_logit_attribution import direct_logit_attribution
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

TOP = 8  # tokens of a ranking
RANKED = 200  # tokens whose own rank is looked up, at most

_figures: ResultCache[Any] = ResultCache(128)


def heads_json(selection: Selection, choices: Choices) -> dict[str, Any]:
    """Both scores of every head, and where the two heads look on this text."""
    run, repetition = selection.run(), choices.repetition
    scores = scores_of(selection)

    def compute_rows() -> dict[Head, Tensor]:
        layers = compute.iterate(attention_layers(run.model, batch_of_one(selection.tokens)))
        return {
            head: layer.pattern[0, head[1]]
            for index, layer in enumerate(layers)
            for head in (choices.previous, choices.copying)
            if head[0] == index
        }

    rows = _figures.get(("rows", run.folder.path, run.step, selection.tokens, choices), compute_rows)
    require_finite("Attention patterns", *rows.values())
    (unchanged,) = probabilities_of(selection, choices, {"unchanged": Experiment(repetition.prompt)}).values()
    return {
        "previous": scores["previous"],
        "copying": scores["copying"],
        "uniform": scores["uniform"]["copying"],
        "positions": scores["copied"],
        "previousRow": rows[choices.previous][repetition.earlier + 1].tolist(),
        "copyingRow": rows[choices.copying][-1].tolist(),
        "probabilities": unchanged,
    }


def parts_json(selection: Selection, choices: Choices) -> dict[str, Any]:
    """What the copying head looks for and what it writes, for this text's tokens; and how general both are."""
    run, repetition, pieces = selection.run(), choices.repetition, pieces_of(selection)
    inputs, _ = windows_of(selection)
    queries, copied = inputs[pieces.row, pieces.query].unique()[:RANKED], copied_tokens(selection)[:RANKED]
    distance = len(repetition.prompt) - 1 - (repetition.earlier + 1)
    asked, found = torch.tensor([repetition.prompt[-1]]), torch.tensor([repetition.piece])

    def matched(tokens: Tensor) -> Tensor:
        return compute.run(matched_tokens, run.model, choices.previous, choices.copying, tokens, distance)

    def written(tokens: Tensor) -> Tensor:
        return compute.run(written_tokens, run.model, choices.copying, tokens)

    def compute_parts() -> dict[str, Any]:
        return {
            "distance": distance,
            "matched": _ranking(selection, matched(asked), asked, own_ranks(matched(queries), queries)),
            "written": _ranking(selection, written(found), found, own_ranks(written(copied), copied)),
        }

    return _figures.get(("parts", run.folder.path, run.step, selection.tokens, choices), compute_parts)


def _ranking(selection: Selection, scores: Tensor, own: Tensor, ranks: Tensor) -> dict[str, Any]:
    """The tokens with the greatest scores; rank and score of `own`; and how `ranks`, those of other tokens, spread."""
    require_finite("The circuit's scores", scores)
    best = scores[0].topk(min(TOP, scores.shape[1]))
    return {
        "tokens": token_texts(selection.run().tokenizer, best.indices.tolist()),
        "own": [token == int(own) for token in best.indices.tolist()],
        "scores": best.values.tolist(),
        "rank": int(own_ranks(scores, own)),
        "score": float(scores[0, own]),
        "of": scores.shape[1],
        "ranked": len(ranks),
        "first": float((ranks == 1).float().mean()) if len(ranks) else 0.0,
        "tenth": float((ranks <= 10).float().mean()) if len(ranks) else 0.0,
    }


def composition_json(selection: Selection, choices: Choices) -> dict[str, Any]:
    """Composition of every head of the one head's layer with every head of the other's."""
    result = compute.run(composition, selection.run().model, choices.previous[0], choices.copying[0])
    require_finite("Composition scores", result.query, result.key, result.value)
    kinds = {"K": result.key, "Q": result.query, "V": result.value}
    return {"kinds": {name: scores.tolist() for name, scores in kinds.items()}, "random": result.random}


def direct_json(selection: Selection, choices: Choices) -> dict[str, Any]:
    """What each part adds directly to the logit of the right piece over the other one."""
    run = selection.run()
    pair = choices.repetition.piece, choices.other
    result = compute.run(direct_logit_attribution, run.model, batch_of_one(selection.tokens), pair)
    values = result.values[:, 0]
    require_finite("Logits", values)
    heads = {(part.layer, part.head): float(value) for part, value in zip(result.components, values, strict=True)
             if part.kind == "head"}  # fmt: skip
    layers, count = run.config.n_layers, run.config.n_heads
    return {
        "heads": [[heads[layer, head] for head in range(count)] for layer in range(layers)],
        "rest": float(values.sum()) - sum(heads.values()),
        "difference": float(result.logit_difference[0]),
    }


def probabilities_of(
    selection: Selection, choices: Choices, experiments: Mapping[str, Experiment]
) -> dict[str, list[float]]:
    """The probabilities of the right and of the other piece in each experiment."""
    run, pair = selection.run(), (choices.repetition.piece, choices.other)

    def compute_probabilities() -> Tensor:
        probabilities = compute.finish(answer_probabilities.steps(run.model, list(experiments.values()), pair))
        require_finite("Probabilities", probabilities)
        return probabilities

    key = ("test", run.folder.path, run.step, tuple(experiments.values()), pair)
    return dict(zip(experiments, _figures.get(key, compute_probabilities).tolist(), strict=True))


def test_json(selection: Selection, choices: Choices) -> dict[str, Any]:
    """Both pieces' probabilities: with the piece replaced, with heads ablated, and in the controls."""
    repetition, other = choices.repetition, choices.other
    prompt, replaced = Experiment(repetition.prompt), Experiment(repetition.replaced(other))
    control = _unlabelled(selection, choices)
    elsewhere = _other_position(choices)
    experiments = {
        "unchanged": prompt,
        "replaced": replaced,
        "previous": Experiment(repetition.prompt, (choices.previous,)),
        "copying": Experiment(repetition.prompt, (choices.copying,)),
        "both": Experiment(repetition.prompt, (choices.previous, choices.copying)),
        "unlabelled": Experiment(repetition.prompt, (control,)),
    }
    if elsewhere is not None:
        moved = (*repetition.prompt[:elsewhere], other, *repetition.prompt[elsewhere + 1 :])
        experiments["elsewhere"] = Experiment(moved)
    probabilities = probabilities_of(selection, choices, experiments)
    steps = selection.run().folder.snapshots()
    if steps and steps[0] == 0:
        untrained = {"untrained": prompt, "untrainedReplaced": replaced}
        probabilities |= probabilities_of(selection.at(0), choices, untrained)
    if choices.control is not None:
        probabilities |= _one_layer(selection, choices, prompt, replaced)
    return {"probabilities": probabilities, "control": list(control), "elsewhere": elsewhere}


def _one_layer(
    selection: Selection, choices: Choices, prompt: Experiment, replaced: Experiment
) -> dict[str, list[float]]:
    """The same two predictions of a one-layer run, if it reads the text as the same tokens."""
    control = choices.control_selection(selection)
    run = control.run()
    if run.tokenizer.encode(selection.text()) != list(selection.tokens) or len(selection.tokens) > run.config.n_ctx:
        raise ValueError(
            f"{run_name(control.run_id)} does not read this text as the same tokens: compare with a one-layer run that "
            "was trained on the same text with the same tokenizer"
        )
    return probabilities_of(control, choices, {"oneLayer": prompt, "oneLayerReplaced": replaced})


def _unlabelled(selection: Selection, choices: Choices) -> Head:
    """The head with the least of both scores, in the copying head's layer where there is another one."""
    scores = scores_of(selection)
    previous, copying = scores["previous"], scores["copying"]
    heads = [(layer, head) for layer, row in enumerate(previous) for head in range(len(row))
             if (layer, head) not in (choices.previous, choices.copying)]  # fmt: skip
    heads = [head for head in heads if head[0] == choices.copying[0]] or heads
    return min(heads, key=lambda head: previous[head[0]][head[1]] + copying[head[0]][head[1]])


def _other_position(choices: Choices) -> int | None:
    """A position, drawn with a fixed seed, at which another piece should change nothing; None in a very short text."""
    repetition = choices.repetition
    near = {0, len(repetition.prompt) - 1}
    near |= {position + step for position in repetition.positions for step in (-1, 0, 1)}
    near |= {position + 1 for position, token in enumerate(repetition.prompt) if token == repetition.prompt[-1]}
    positions = [position for position in range(len(repetition.prompt)) if position not in near]
    drawn = torch.randint(max(1, len(positions)), (), generator=torch.Generator().manual_seed(0))
    return positions[int(drawn)] if positions else None


def step_json(selection: Selection, choices: Choices) -> dict[str, Any]:
    """One snapshot: the best of both scores, the pair's K-composition, the loss on copied pieces, this example."""
    scores, loss = scores_of(selection), loss_of(selection)
    composed = composition_json(selection, choices)
    (unchanged,) = probabilities_of(selection, choices, {"": Experiment(choices.repetition.prompt)}).values()
    empty = not len(pieces_of(selection).query)
    return {
        "previous": max(map(max, scores["previous"])),
        "copying": max(map(max, scores["copying"])),
        "composition": composed["kinds"]["K"][choices.previous[1]][choices.copying[1]],
        "random": composed["random"],
        "copied": None if empty else loss.copied,
        "accuracy": None if empty else loss.accuracy,
        "rest": loss.rest,
        "probability": unchanged[0],
    }


def control_json(selection: Selection, choices: Choices) -> dict[str, Any]:
    """The one-layer run at its end: its best copying score, and its loss on the copied pieces of its own text."""
    control = choices.control_selection(selection)
    empty = not len(pieces_of(control).query)
    return {
        "copying": max(map(max, scores_of(control)["copying"])),
        "copied": None if empty else loss_of(control).copied,
    }
