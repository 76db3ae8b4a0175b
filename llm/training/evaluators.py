"""What a trainer measures between steps: validation loss, a sample, the story world's measures.

Evaluators are passed to the trainer, which calls them every `eval_every` steps and at the end, and some only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm.config import SamplingConfig, TrainingConfig
from llm.data import TextData
from llm.model import Transformer
from llm.sampling import generate
from llm.tokenizers import Tokenizer
from llm.training.evaluation import Autocast, evaluate
from llm.world import check
from llm.world.skills import is_world_text, skills

# From the model and the number of optimizer steps taken to measures by name, which are fields of `StepMetrics`. The
# model is in training mode, before and after.
Evaluator = Callable[[Transformer, int], dict[str, Any]]


def validation(data: TextData, config: TrainingConfig, autocast: Autocast) -> Evaluator:
    """`evaluation`: loss and accuracy on `eval_windows` passages of the validation text, the same each time."""
    chosen = data.validation.evenly_spaced(config.eval_windows)

    def measure(model: Transformer, step: int) -> dict[str, Any]:
        return {"evaluation": evaluate(model, data.validation, chosen, config.batch_size, autocast)}

    return measure


def whole_validation(data: TextData, config: TrainingConfig, autocast: Autocast) -> Evaluator:
    """`final_evaluation`: the same on all of the validation text."""

    def measure(model: Transformer, step: int) -> dict[str, Any]:
        return {"final_evaluation": evaluate(model, data.validation, None, config.batch_size, autocast)}

    return measure


def sample(tokenizer: Tokenizer, prompt: str, config: TrainingConfig) -> Evaluator:
    """`sample`: text that the model generates from a prompt, with the same seed each time."""
    sampling = SamplingConfig(max_new_tokens=config.sample_tokens, seed=config.seed)

    def measure(model: Transformer, step: int) -> dict[str, Any]:
        model.eval()
        text = generate(model, tokenizer, prompt, sampling)
        model.train()
        return {"sample": text}

    return measure


def checked(sampler: Evaluator) -> Evaluator:
    """A sample, and `well_formed`: the fraction of its complete sentences that the story world could produce."""

    def measure(model: Transformer, step: int) -> dict[str, Any]:
        measures = sampler(model, step)
        return measures | {"well_formed": check(measures["sample"]).well_formed_fraction}

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
) -> tuple[list[Evaluator], list[Evaluator]]:
    """Those of every evaluation, and those of the end alone.

    Validation loss, the sample, and, on the story world's text, its checker and skills, as the config asks; at the end
    the loss on all of the validation text.

    Raises:
        ValueError: the sample's prompt has characters that the tokenizer does not know.
    """
    prompt = sample_prompt(tokenizer, data, config)
    tokenizer.encode(prompt)  # an unknown character is reported now, not at the first evaluation
    of_the_world = is_world_text(tokenizer.decode(data.train[:5000].tolist()))
    evaluators: list[Evaluator] = [validation(data, config, autocast)]
    if config.sample_tokens > 0:
        sampler = sample(tokenizer, prompt, config)
        evaluators.append(checked(sampler) if of_the_world else sampler)
    if config.skill_pairs > 0 and of_the_world:
        evaluators.append(world_skills(tokenizer, config))
    return evaluators, [whole_validation(data, config, autocast)]


def sample_prompt(tokenizer: Tokenizer, data: TextData, config: TrainingConfig, characters: int = 24) -> str:
    """Where samples start: the config's prompt, else the beginning of a paragraph of the validation text.

    That is the first complete paragraph if there is one near, cut at a space if there is one: words that the model
    cannot have memorised.
    """
    if config.sample_prompt:
        return config.sample_prompt
    beginning = tokenizer.decode(data.validation.tokens[:1000].tolist())
    _, blank_line, next_paragraph = beginning.partition("\n\n")
    words = (next_paragraph if blank_line else beginning).lstrip()[:characters]
    return words.rsplit(" ", 1)[0].rstrip() or "\n"
