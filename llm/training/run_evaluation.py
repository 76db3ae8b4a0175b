"""Measure a run's model on a part of its text or on any other: losses, baselines, skills, all with standard errors."""

from __future__ import annotations

import copy
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from llm.checkpoints import Run
from llm.data.documents import document_boundary
from llm.data.masking import measured_tokens
from llm.data.passages import Passages
from llm.data.whole_text import WholeText
from llm.layers.attention import set_attend
from llm.runs.corpus import run_corpus
from llm.runtime.device import attention_kernel, autocast, choose_precision
from llm.runtime.stepwise import stepwise
from llm.training.baselines import Baselines, measure_baselines
from llm.training.evaluation import Evaluation, evaluate
from llm.training.novelty import seen_in_training
from llm.world.skills import SkillScore, is_world_text, skills

Part = Literal["validation", "test", "train"]


@dataclass(frozen=True)
class RunEvaluation:
    """What was measured of a model on a text."""

    run: str
    step: int
    evaluation: Evaluation
    bits_per_byte: float  # total nats / ln 2 / bytes of the text in UTF-8, as other projects count
    window: (
        int  # tokens that the model reads at once; windows do not overlap: it sees at most window - 1 before a token
    )
    baselines: Baselines | None  # on the same text; None: the model predicts masked tokens, and not the next ones
    sentences_seen_in_training: float | None  # fraction; None: the text has no sentence, or it trained on a token cache
    skills: dict[str, SkillScore]  # on the story world's text, else empty


def measured_on(run: Run, part: Part, text: str | None) -> tuple[Passages, str]:
    """All of a part of a run's text, or of `text`: its passages, and itself. Raises ValueError where there are none."""
    if text is None:
        corpus = run_corpus(run.folder, run.tokenizer)
        if not (text := corpus.excerpt(part)):
            older = "it is from before runs had one, and its best weights were chosen on all that it did not train on"
            why = older if run.folder.config().about(dict, "text", "split") is None else "its split leaves none"
            raise ValueError(
                f"run {run.folder.id} has no {part} part: {why}. Measure its validation part, or another text"
            )
        passages = corpus.passages(part)
    else:
        passages = Passages.from_text(text, run.tokenizer)
    if not len(passages):
        raise ValueError("the text is too short: it needs at least two characters")
    return passages, text


@stepwise
def evaluate_run(
    run: Run, part: Part = "validation", text: str | None = None, skill_pairs: int = 50
) -> Generator[None, None, RunEvaluation]:
    """Measure a run's model on all of a part of its text, or on all of `text`, in the number format it trained in.

    Of a token cache, the beginning of the part is measured, and baselines are counted in the beginning of the training
    part (`llm.data.token_cache`).

    Yields after each batch.

    Raises:
        ValueError: the run has no such part, the text is too short, or has characters that the tokenizer does not know.
    """
    corpus = run_corpus(run.folder, run.tokenizer)
    passages, measured = measured_on(run, part, text)
    yield
    train = corpus.train_tokens()
    every = passages.evenly_spaced(len(passages))
    baselines, masked = None, None
    if run.tokenizer.mask_token is None:
        [baselines] = measure_baselines(train, passages, [every], run.tokenizer.d_vocab)
    else:
        masked = measured_tokens(passages, run.tokenizer.mask_token)
    yield
    device = next(run.model.parameters()).device
    training = run.folder.config().training
    in_float16 = training.precision == "float16" and device.type != "cuda"  # it was trained on another machine
    precision = torch.float32 if in_float16 else choose_precision(training.precision, device)
    model = copy.deepcopy(run.model)  # others use the run's own
    set_attend(model, attention_kernel(device, precision))
    boundary = document_boundary(run.tokenizer, training)
    evaluation = yield from evaluate.steps(
        model, passages, every, training.batch_size, partial(autocast, device, precision), None, boundary, masked
    )
    [seen] = seen_in_training(corpus.parts.train, measured) if isinstance(corpus, WholeText) else [None]
    of_the_world = masked is None and skill_pairs > 0 and is_world_text(measured)
    scores = skills(model, run.tokenizer, skill_pairs) if of_the_world else {}
    per_byte = evaluation.bits_per_character * int(passages.characters.sum()) / passages.byte_count(run.tokenizer)
    return RunEvaluation(run.folder.id, run.step, evaluation, per_byte, run.config.n_ctx, baselines, seen, scores)
