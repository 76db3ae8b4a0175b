"""What a trainer measures between steps: validation loss, a sample, the story world's measures.

Evaluators are passed to the trainer, which calls them every `eval_every` steps and at the end, and some only then.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llm.config import SamplingConfig, TrainingConfig
from llm.data import TextData
from llm.data.documents import document_boundary
from llm.data.masking import MaskedTokens, measured_tokens
from llm.model import Transformer
from llm.runtime.evaluation_mode import evaluating
from llm.runtime.processes import Processes
from llm.sampling import NonFiniteLogitsError, generate
from llm.tokenizers import Tokenizer
from llm.training.divergence import non_finite_measure
from llm.training.evaluation import Autocast, evaluate, evaluate_passages
from llm.world import check
from llm.world.skills import is_world_text, skills

PROMPTS = 4  # that samples take in turn
PROMPT_CHARACTERS = 24  # of a prompt, about
MOST_PASSAGES = 2000  # whose sums a run records, in about 30 bytes each
PROMPT_SEARCH = 8000  # tokens of the validation text in which beginnings of paragraphs are looked for

# From the model and the number of optimizer steps taken to measures by name, which are fields of `StepMetrics`. The
# model is in training mode, before and after.
Evaluator = Callable[[Transformer, int], dict[str, Any]]


def take_measures(
    evaluators: Sequence[Evaluator], model: Transformer, step: int, processes: Processes
) -> tuple[dict[str, Any], str | None]:
    """What the evaluators of all processes measure, and which of it is not finite: None if all is."""
    measures: dict[str, Any] = {}
    problem = None
    for evaluator in evaluators:
        try:
            measures |= evaluator(model, step)
        except NonFiniteLogitsError:
            problem = "model's logits contain NaN or infinity"
        problem = problem or non_finite_measure(measures)
        if problem:
            break
    for theirs, their_problem in processes.gathered((measures, problem)):
        measures, problem = measures | theirs, problem or their_problem
    return measures, problem


def validation(
    data: TextData, config: TrainingConfig, autocast: Autocast, processes: Processes, boundary: int | None
) -> Evaluator:
    """`evaluation`: loss and accuracy on `eval_windows` passages of the validation text, the same each time."""
    chosen, masked = data.validation.evenly_spaced(config.eval_windows), _masked(data)

    def measure(model: Transformer, step: int) -> dict[str, Any]:
        found = evaluate(model, data.validation, chosen, config.batch_size, autocast, processes, boundary, masked)
        return {"evaluation": found}

    return measure


def whole_validation(
    data: TextData, config: TrainingConfig, autocast: Autocast, processes: Processes, boundary: int | None
) -> Evaluator:
    """`final_evaluation`: the same on all of the validation text; `passages`: its sums, unless there are very many."""
    masked = _masked(data)

    def measure(model: Transformer, step: int) -> dict[str, Any]:
        how = config.batch_size, autocast, processes, boundary, masked
        found, sums = evaluate_passages(model, data.validation, None, *how)
        few = found.passages <= MOST_PASSAGES
        return {"final_evaluation": found} | ({"passages": sums} if few else {})

    return measure


def _masked(data: TextData) -> MaskedTokens | None:
    """The masked validation text, where the model is trained to fill in masked tokens."""
    return None if data.masking is None else measured_tokens(data.validation, data.masking.mask_token)


def sample(tokenizer: Tokenizer, prompts: Sequence[str], config: TrainingConfig) -> Evaluator:
    """`sample`: text that the model generates; evaluation n takes prompt n, in turn, and the seed `seed` + n.

    So samples differ in more than the model, and yet a resumed run writes the same ones.
    """

    def measure(model: Transformer, step: int) -> dict[str, Any]:
        number = -(-step // config.eval_every)  # of the evaluation, rounded up: the last one can come early
        sampling = SamplingConfig(max_new_tokens=config.sample_tokens, seed=config.seed + number)
        with evaluating(model):  # once, not for each token
            return {"sample": generate(model, tokenizer, prompts[number % len(prompts)], sampling)}

    return measure


def checked(sampler: Evaluator, prompts: Sequence[str]) -> Evaluator:
    """A sample, and `well_formed`: the fraction of its complete sentences that the story world could produce.

    Sentences of the prompt are not the model's; where it has completed none of its own, there is no fraction.
    """
    given = {prompt: len(check(prompt).sentences) for prompt in prompts}

    def measure(model: Transformer, step: int) -> dict[str, Any]:
        measures = sampler(model, step)
        sample = measures["sample"]
        begun = max(count for prompt, count in given.items() if sample.startswith(prompt))
        own = [sentence.well_formed for sentence in check(sample).sentences[begun:]]
        return measures | {"well_formed": sum(own) / len(own) if own else None}

    return measure


def world_skills(tokenizer: Tokenizer, config: TrainingConfig) -> Evaluator:
    """`skills`: accuracy on the story world's skills.

    Measured at evaluations 1, 2, 4, 8 … and the last: they cost more than the rest of an evaluation.
    """

    def measure(model: Transformer, step: int) -> dict[str, Any]:
        number = step // config.eval_every
        power_of_two = number > 0 and number & (number - 1) == 0
        if not (power_of_two or step == config.steps):
            return {}
        scores = skills(model, tokenizer, config.skill_pairs)
        return {"skills": {name: score.accuracy for name, score in scores.items()}}

    return measure


def standard_evaluators(
    tokenizer: Tokenizer,
    data: TextData,
    config: TrainingConfig,
    autocast: Autocast,
    processes: Processes,
) -> tuple[list[Evaluator], list[Evaluator]]:
    """Those of every evaluation, and those of the end alone.

    Validation loss, the sample, and, on the story world's text, its checker and skills, as the config asks; at the end
    the loss on all of the validation text. Several processes share the validation text; the sample is written by the
    first, and the skills are measured by the last. With a sharded model all do both together: each forward pass needs
    every process. A model that fills in masked tokens has the losses only: it writes no text, and skills compare the
    probabilities of continuations.

    Raises:
        ValueError: the sample's prompt has characters that the tokenizer does not know.
    """
    boundary = document_boundary(tokenizer, config)
    evaluators: list[Evaluator] = [validation(data, config, autocast, processes, boundary)]
    final_evaluators = [whole_validation(data, config, autocast, processes, boundary)]
    if data.masking is not None:
        return evaluators, final_evaluators
    prompts = sample_prompts(tokenizer, data, config)
    for prompt in prompts:
        tokenizer.encode(prompt)  # an unknown character is reported now, not at the first evaluation
    asked = config.sample_tokens > 0 or config.skill_pairs > 0
    of_the_world = asked and is_world_text(tokenizer.decode(data.train[:5000].tolist()))
    together = config.sharding != "off"
    if config.sample_tokens > 0 and (processes.first or together):
        sampler = sample(tokenizer, prompts, config)
        evaluators.append(checked(sampler, prompts) if of_the_world else sampler)
    if config.skill_pairs > 0 and of_the_world and (processes.rank == processes.count - 1 or together):
        evaluators.append(world_skills(tokenizer, config))
    return evaluators, final_evaluators


def sample_prompts(tokenizer: Tokenizer, data: TextData, config: TrainingConfig) -> list[str]:
    """Where samples start: the config's prompt, else the beginnings of paragraphs of the validation text.

    Each has the first words of a paragraph, `PROMPT_CHARACTERS` or more and as many as it takes until they do not occur
    in the training text (`TextData.counted`): words that the model cannot have memorised. A paragraph that begins with
    nothing new is left out, unless all do.
    """
    if config.sample_prompt:
        return [config.sample_prompt]
    beginning = tokenizer.decode(data.validation.tokens[:PROMPT_SEARCH].tolist())
    if tokenizer.end_of_text is not None and (end := tokenizer.decode([tokenizer.end_of_text])):
        beginning = beginning.replace(end, "\n\n")  # a document begins a paragraph
    first, *later = beginning.split("\n\n")
    paragraphs = [paragraph.strip() for paragraph in later[:-1] or later or [first]]  # the first and last may be cut
    train = data.counted.numpy()
    content = train.tobytes()
    openings = (_new_opening(paragraph, tokenizer, content, train.dtype) for paragraph in paragraphs)
    unseen = list(itertools.islice((prompt for prompt in openings if prompt), PROMPTS))
    return unseen or [_opening(paragraphs[0]) or "\n"]


def _new_opening(paragraph: str, tokenizer: Tokenizer, train: bytes, dtype: np.dtype[Any]) -> str | None:
    """The fewest first words of a paragraph that the training text does not contain; None: it has no such words."""
    for characters in range(PROMPT_CHARACTERS, 3 * PROMPT_CHARACTERS, PROMPT_CHARACTERS // 4):
        prompt = _opening(paragraph, characters)
        # without the ends of a prompt, which are encoded differently inside a text
        if prompt and not _occurs(np.array(tokenizer.encode(prompt)[1:-1], dtype), train):
            return prompt
    return None


def _opening(paragraph: str, characters: int = PROMPT_CHARACTERS) -> str:
    """At most so many characters of a paragraph, cut at a space if there is one."""
    return paragraph[:characters].rsplit(" ", 1)[0].rstrip()


def _occurs(tokens: np.ndarray[Any, Any], train: bytes) -> bool:
    """Whether the training tokens, as bytes, contain these in a row, or there are none to look for."""
    wanted, found = tokens.tobytes(), 0
    while (found := train.find(wanted, found)) > 0 and found % tokens.itemsize:  # it begins inside a token
        found += 1
    return found >= 0
