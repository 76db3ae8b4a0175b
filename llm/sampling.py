"""Sampling: from the model's logits for the next token to text.

The model gives every token of the vocabulary a logit z; softmax turns logits into probabilities:

    p[token] = exp(z[token]) / Σ exp(z)

Before a token is drawn, small filters change the logits (`llm.filters`): repetition penalty, temperature, top-k, top-p,
min-p. Then the next token is drawn and appended, and the model continues from there.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from llm.batching import GrowingText, TextBatch, draw_each, first_tokens
from llm.config import SamplingConfig
from llm.filters import filter_stages
from llm.model import Transformer
from llm.reading import NonFiniteLogitsError, Reader
from llm.tokenizers import Tokenizer

__all__ = ["NonFiniteLogitsError", "draw", "generate", "generate_batch", "stream"]

ALTERNATIVES = 8
AT_ONCE = 32  # texts of a batch that are generated side by side
SEEDS = 2**32  # of which `with_seed` picks one


class Alternative(NamedTuple):
    """A token that was likely, or was drawn."""

    id: int
    text: str  # for display, from Tokenizer.token_text
    probability: float  # the model's own, before any filter


class Stage(NamedTuple):
    """The distribution after a filter."""

    filter: str  # its field of SamplingConfig; "model": before any filter
    kept: int  # tokens that can still be drawn
    probabilities: tuple[float, ...]  # of the alternatives, in their order


@dataclass(frozen=True)
class GeneratedToken:
    """One drawn token, with its probability, likely alternatives, and how each filter changed their probabilities."""

    id: int
    text: str  # new text that can be shown; empty while a character or a possible stop string is incomplete
    probability: float  # with which it was drawn: after all filters
    model_probability: float  # the model's own, before any filter
    rank: int  # among the model's own probabilities; 1: the most likely
    # the model's own top tokens, most likely first; then, if they are not among these, those after all filters and the
    # drawn one
    alternatives: tuple[Alternative, ...]
    stages: tuple[Stage, ...]  # the model's own distribution, and that after each filter that is on

    def as_json(self) -> dict[str, Any]:
        """All of it, as a JSON object."""
        alternatives = [other._asdict() for other in self.alternatives]
        return vars(self) | {"alternatives": alternatives, "stages": [stage._asdict() for stage in self.stages]}


def draw(probabilities: Float[Tensor, " d_vocab"], generator: torch.Generator) -> int:
    """Draw a token id from these probabilities with one random number from `generator` (on the CPU).

    The probabilities, laid end to end, make a line from 0 to 1; the number is a point on it. (Where rounding makes the
    line a little shorter or longer, the number is stretched to it.)
    """
    return draw_each(probabilities.unsqueeze(0), [generator])[0]


def generate(
    model: Transformer, tokenizer: Tokenizer, prompt: str, config: SamplingConfig, use_cache: bool = True
) -> str:
    """Generate a continuation; returns prompt and continuation. See `stream`."""
    return prompt + "".join(drawn.text for drawn in _draws(model, tokenizer, prompt, config, use_cache, {}))


def stream(
    model: Transformer, tokenizer: Tokenizer, prompt: str, config: SamplingConfig, use_cache: bool = True,
    choices: Mapping[int, int] | None = None,
) -> Iterator[GeneratedToken]:  # fmt: skip
    """Generate a continuation token by token; the tokens' texts, joined, are the new text.

    It ends after max_new_tokens, or just before the first stop string in the new text: text that may still become one
    is held back, and the stop string itself is never returned. An empty prompt starts after a line break, or after
    token 0 if the tokenizer has no line break; neither is part of the text. The same seed gives the same text on every
    device, if the devices round the logits alike. Dropout is off while a token is computed. With `use_cache`
    each token is read once, without it the whole window is read for every token; the result is the same.

    `choices` are ids of tokens, by their position in the new text from 0 on: each is taken in place of the one that is
    drawn there. So the text is the same up to that position, and all of it if the token would have been drawn anyway.

    Raises:
        ValueError: a choice is no position or no token.
        UnknownCharacterError: (a ValueError) the tokenizer cannot encode the prompt; raised at once.
        NonFiniteLogitsError: (a ValueError) the logits contain NaN or infinity, because the weights diverged.
    """
    draws = _draws(model, tokenizer, prompt, config, use_cache, choices or {})
    return (_described(drawn, tokenizer) for drawn in draws)


def with_seed(config: SamplingConfig) -> SamplingConfig:
    """The same settings with a seed, a new one if they have none: so the text can be generated again."""
    return config if config.seed is not None else replace(config, seed=secrets.randbelow(SEEDS))


def text_record(
    run_id: str, step: int | None, prompt: str, config: SamplingConfig, choices: Mapping[int, int],
    tokens: Sequence[GeneratedToken],
) -> dict[str, Any]:  # fmt: skip
    """A text as a JSON object with everything it was made of, so that it can be generated again."""
    return {
        "run": run_id,
        "step": step,
        "prompt": prompt,
        "text": prompt + "".join(token.text for token in tokens),
        "sampling": asdict(config) | {"stop": list(config.stop)},
        "choices": {str(position): token for position, token in choices.items()},
        "tokens": [token.as_json() for token in tokens],
    }


def generate_batch(
    model: Transformer, tokenizer: Tokenizer, prompts: Sequence[str], config: SamplingConfig
) -> list[str]:
    """Generate a continuation of each prompt, many at once; returns each prompt and its continuation.

    Text `number` is the one that `generate` gives for its prompt alone with the seed `config.seed + number`: equal
    prompts continue differently. (Sums are rounded otherwise for several texts than for one, by less than a millionth;
    where that moves a random number across the end of a token's probability, the texts differ from there on.) Each text
    ends by itself, and the next prompt takes its row. Raises as `stream`, before anything is generated.
    """
    seeds = [None if config.seed is None else config.seed + number for number in range(len(prompts))]
    texts = [
        GrowingText(tokenizer, first_tokens(tokenizer, prompt), replace(config, seed=seed))
        for prompt, seed in zip(prompts, seeds, strict=True)
    ]
    waiting = deque(text for text in texts if not text.finished)
    longest = max((len(text.tokens) for text in texts), default=0) + config.max_new_tokens
    batch = TextBatch(model, min(AT_ONCE, len(waiting)), longest) if waiting else None
    while batch is not None and (waiting or batch.texts):
        while waiting and len(batch.texts) < batch.size:
            batch.add(waiting.popleft())
        _, broken = batch.step()
        if broken:
            raise NonFiniteLogitsError
    return [prompt + text.new for prompt, text in zip(prompts, texts, strict=True)]


class _Drawn(NamedTuple):
    token: int
    text: str  # as in `GeneratedToken`
    stages: dict[str, Float[Tensor, " d_vocab"]]  # logits: the model's own, and after each filter


def _draws(
    model: Transformer, tokenizer: Tokenizer, prompt: str, config: SamplingConfig, use_cache: bool,
    choices: Mapping[int, int],
) -> Iterator[_Drawn]:  # fmt: skip
    for position, token in choices.items():
        if not (0 <= position < config.max_new_tokens and 0 <= token < tokenizer.d_vocab):
            raise ValueError(
                f"choices must be tokens below {tokenizer.d_vocab:,} at positions below {config.max_new_tokens:,}, got "
                f"token {token} at position {position}"
            )
    text = GrowingText(tokenizer, first_tokens(tokenizer, prompt), config)
    return _continue(Reader(model, use_cache, len(text.tokens) + config.max_new_tokens), text, config, choices)


def _continue(
    reader: Reader, text: GrowingText, config: SamplingConfig, choices: Mapping[int, int]
) -> Iterator[_Drawn]:
    while not text.finished:
        logits = reader.next_logits(text.tokens)  # [d_vocab]
        stages = filter_stages(logits, text.tokens, config)
        *_, filtered = stages.values()  # [d_vocab]
        drawn = draw(filtered.softmax(dim=-1), text.generator)  # a choice uses a random number up, too
        token = choices.get(config.max_new_tokens - text.remaining, drawn)
        yield _Drawn(token, text.push(token), stages)


def _described(drawn: _Drawn, tokenizer: Tokenizer) -> GeneratedToken:
    """The token beside the distributions it was drawn from: half of a token's time, which only `stream` takes."""
    token, distributions = drawn.token, {name: logits.softmax(dim=-1) for name, logits in drawn.stages.items()}
    own, final = distributions["model"], list(distributions.values())[-1]  # [d_vocab] each
    shown = list(dict.fromkeys([*_top(own), *(other for other in _top(final) if final[other] > 0), token]))
    return GeneratedToken(
        id=token,
        text=drawn.text,
        probability=final[token].item(),
        model_probability=own[token].item(),
        rank=int((own > own[token]).sum()) + 1,
        alternatives=tuple(
            Alternative(other, tokenizer.token_text(other), probability)
            for other, probability in zip(shown, own[shown].tolist(), strict=True)
        ),
        stages=tuple(
            Stage(name, int(drawn.stages[name].isfinite().sum()), tuple(probabilities[shown].tolist()))
            for name, probabilities in distributions.items()
        ),
    )


def _top(probabilities: Float[Tensor, " d_vocab"]) -> list[int]:
    """The ids of the most likely tokens, most likely first."""
    ids: list[int] = probabilities.topk(min(ALTERNATIVES, len(probabilities))).indices.tolist()
    return ids
