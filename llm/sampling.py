"""Sampling: from the model's logits for the next token to text.

The model gives every token of the vocabulary a logit z; softmax turns logits into probabilities:

    p[token] = exp(z[token]) / Σ exp(z)

Before a token is drawn, small filters change the logits, in the order of `SamplingConfig`'s fields: repetition penalty,
temperature, top-k, top-p, min-p. Each is a pure function on logits [..., d_vocab]; a token that it excludes gets the
logit −∞, so probability 0, and the most likely token is always kept. Then the next token is drawn and appended, and the
model continues from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from llm.config import SamplingConfig
from llm.decoding import decode_step
from llm.model import Transformer
from llm.reading import BatchReader, NonFiniteLogitsError, Reader
from llm.stop_strings import StopStrings
from llm.tokenizers import TextDecoder, Tokenizer

__all__ = ["NonFiniteLogitsError", "apply_filters", "draw", "generate", "generate_batch", "stream"]

ALTERNATIVES = 8
AT_ONCE = 32  # texts of a batch that are generated side by side


class Alternative(NamedTuple):
    """One of the tokens that the model found most likely."""

    id: int
    text: str  # for display, from Tokenizer.token_text
    probability: float  # the model's own, before any filter


@dataclass(frozen=True)
class GeneratedToken:
    """One drawn token, with its probability and the most likely alternatives."""

    id: int
    text: str  # new text that can be shown; empty while a character or a possible stop string is incomplete
    probability: float  # with which it was drawn: after all filters
    model_probability: float  # the model's own, before any filter
    rank: int  # among the model's own probabilities; 1: the most likely
    alternatives: tuple[Alternative, ...]  # the model's own top tokens, most likely first


def repetition_penalty(
    logits: Float[Tensor, "*batch d_vocab"], tokens: Sequence[int], penalty: float
) -> Float[Tensor, "*batch d_vocab"]:
    """Make the tokens that already occur in the text less likely (CTRL, Keskar et al. 2019, arXiv:1909.05858).

    z → z / penalty where z > 0, z · penalty where z ≤ 0, for every token in `tokens`, once, even if it occurs often.

    The paper divides every logit, which would favour a token whose logit is below 0; hence the second case.
    """
    present = torch.tensor(sorted(set(tokens)), dtype=torch.long, device=logits.device)  # [count]
    selected = logits[..., present]  # [..., count]
    penalised = torch.where(selected > 0, selected / penalty, selected * penalty)  # [..., count]
    limits = torch.finfo(logits.dtype)  # an extreme penalty would overflow to infinity
    return logits.index_copy(-1, present, penalised.clamp(limits.min, limits.max))


def temperature(logits: Float[Tensor, "*batch d_vocab"], temperature: float) -> Float[Tensor, "*batch d_vocab"]:
    """Sharpen the distribution below 1, flatten it above 1 (Ackley, Hinton & Sejnowski 1985).

    p ∝ exp(z / temperature)

    At 0, the limit, only the most likely token is left: greedy decoding. The largest logit is shifted to 0 before the
    division, which changes no probability and keeps a tiny temperature from overflowing.
    """
    if temperature < torch.finfo(logits.dtype).tiny:
        return top_k(logits, 1)
    return (logits - logits.amax(dim=-1, keepdim=True)) / temperature


def top_k(logits: Float[Tensor, "*batch d_vocab"], k: int) -> Float[Tensor, "*batch d_vocab"]:
    """Keep the k most likely tokens (Fan et al. 2018, arXiv:1805.04833), or all if there are no more than k."""
    likeliest = logits.topk(min(k, logits.shape[-1])).indices  # [..., k]
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, likeliest, True)  # [..., d_vocab]
    return logits.masked_fill(~kept, -torch.inf)


def top_p(logits: Float[Tensor, "*batch d_vocab"], p: float) -> Float[Tensor, "*batch d_vocab"]:
    """Keep the fewest tokens whose probabilities sum to p or more (nucleus, Holtzman et al. 2020, arXiv:1904.09751).

    From the most likely down, a token is kept if those before it sum to less than p. So few tokens are kept if the
    model is confident, and many if it is not.
    """
    if p >= 1:
        return logits  # rounding may bring the cumulative sum to 1 before the last token
    descending, order = logits.softmax(dim=-1).sort(dim=-1, descending=True, stable=True)  # [..., d_vocab] each
    before = descending.cumsum(dim=-1).roll(1, dims=-1)  # [..., d_vocab]
    before[..., 0] = -torch.inf  # the most likely token is kept, however small p
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before < p)  # [..., d_vocab]
    return logits.masked_fill(~kept, -torch.inf)


def min_p(logits: Float[Tensor, "*batch d_vocab"], p: float) -> Float[Tensor, "*batch d_vocab"]:
    """Keep the tokens at least p times as likely as the most likely one (Nguyen et al. 2024, arXiv:2407.01082)."""
    probabilities = logits.softmax(dim=-1)  # [..., d_vocab]
    least = p * probabilities.amax(dim=-1, keepdim=True)  # [..., 1]
    return logits.masked_fill(probabilities < least, -torch.inf)


def apply_filters(
    logits: Float[Tensor, "*batch d_vocab"], tokens: Sequence[int], config: SamplingConfig
) -> Float[Tensor, "*batch d_vocab"]:
    """All filters of `config` in the order of its fields; `tokens` is the text so far, including the prompt."""
    if config.repetition_penalty != 1:
        logits = repetition_penalty(logits, tokens, config.repetition_penalty)
    if config.temperature != 1:
        logits = temperature(logits, config.temperature)
    if config.top_k is not None:
        logits = top_k(logits, config.top_k)
    if config.top_p is not None:
        logits = top_p(logits, config.top_p)
    if config.min_p is not None:
        logits = min_p(logits, config.min_p)
    return logits


def draw(probabilities: Float[Tensor, " d_vocab"], generator: torch.Generator) -> int:
    """Draw a token id from these probabilities with one random number from `generator` (on the CPU).

    The probabilities, laid end to end, make a line from 0 to 1; the number is a point on it. (Where rounding makes the
    line a little shorter or longer, the number is stretched to it.)
    """
    return draw_each(probabilities.unsqueeze(0), [generator])[0]


def draw_each(probabilities: Float[Tensor, "batch d_vocab"], generators: Sequence[torch.Generator]) -> list[int]:
    """The same for each row, with one random number from its own generator."""
    ends = probabilities.double().cumsum(dim=-1)  # [batch, d_vocab]
    numbers = [torch.rand((), dtype=torch.float64, generator=generator) for generator in generators]
    points = torch.stack(numbers).unsqueeze(1) * ends[:, -1:]  # [batch, 1]
    # right: a token of probability 0 has no point
    tokens: list[int] = torch.searchsorted(ends, points, right=True).flatten().tolist()
    return tokens


def generate(
    model: Transformer, tokenizer: Tokenizer, prompt: str, config: SamplingConfig, use_cache: bool = True
) -> str:
    """Generate a continuation; returns prompt and continuation. See `stream`."""
    return prompt + "".join(drawn.text for drawn in _draws(model, tokenizer, prompt, config, use_cache))


def stream(
    model: Transformer, tokenizer: Tokenizer, prompt: str, config: SamplingConfig, use_cache: bool = True
) -> Iterator[GeneratedToken]:
    """Generate a continuation token by token; the tokens' texts, joined, are the new text.

    It ends after max_new_tokens, or just before the first stop string in the new text: text that may still become one
    is held back, and the stop string itself is never returned. An empty prompt starts after a line break, or after
    token 0 if the tokenizer has no line break; neither is part of the text. The same seed gives the same text on every
    device, if the devices round the logits alike. Dropout is off while a token is computed. With `use_cache`
    each token is read once, without it the whole window is read for every token; the result is the same.

    Raises:
        UnknownCharacterError: (a ValueError) the tokenizer cannot encode the prompt; raised at once.
        NonFiniteLogitsError: (a ValueError) the logits contain NaN or infinity, because the weights diverged.
    """
    return (_described(drawn, tokenizer) for drawn in _draws(model, tokenizer, prompt, config, use_cache))


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
    texts = [_Text(tokenizer, prompt, replace(config, seed=seed)) for prompt, seed in zip(prompts, seeds, strict=True)]
    longest = max((len(text.tokens) for text in texts), default=0) + config.max_new_tokens
    step = decode_step(model, min(AT_ONCE, len(texts)), min(longest, model.config.n_ctx)) if len(texts) > 1 else None
    if step is not None:
        _continue_together(BatchReader(model, step), texts, config)
    else:  # a single text, or a model that only reads texts by itself
        for text in texts:
            for _ in _continue(Reader(model, True, longest), text, config):
                pass
    return [prompt + text.new for prompt, text in zip(prompts, texts, strict=True)]


class _Text:
    """A text that is being generated: its tokens, its random numbers, and what of it can be shown."""

    def __init__(self, tokenizer: Tokenizer, prompt: str, config: SamplingConfig) -> None:
        self.tokens = _first_tokens(tokenizer, prompt)
        self.new = ""
        self.remaining = config.max_new_tokens
        self.generator = torch.Generator()
        if config.seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(config.seed)
        self._decoder, self._stops = TextDecoder(tokenizer), StopStrings(config.stop)

    @property
    def finished(self) -> bool:
        return self.remaining == 0 or self._stops.stopped

    def push(self, token: int) -> str:
        """Add a token; returns the new text that can be shown."""
        self.tokens.append(token)
        self.remaining -= 1
        text = self._stops.push(self._decoder.push(token))
        if self.remaining == 0:
            text += self._stops.push(self._decoder.flush()) + self._stops.flush()
        self.new += text
        return text


class _Drawn(NamedTuple):
    token: int
    text: str  # as in `GeneratedToken`
    probabilities: Float[Tensor, " d_vocab"]  # after all filters
    logits: Float[Tensor, " d_vocab"]  # the model's own


def _draws(
    model: Transformer, tokenizer: Tokenizer, prompt: str, config: SamplingConfig, use_cache: bool
) -> Iterator[_Drawn]:
    text = _Text(tokenizer, prompt, config)
    return _continue(Reader(model, use_cache, len(text.tokens) + config.max_new_tokens), text, config)


def _continue(reader: Reader, text: _Text, config: SamplingConfig) -> Iterator[_Drawn]:
    while not text.finished:
        logits = reader.next_logits(text.tokens)  # [d_vocab]
        probabilities = apply_filters(logits, text.tokens, config).softmax(dim=-1)  # [d_vocab]
        token = draw(probabilities, text.generator)
        yield _Drawn(token, text.push(token), probabilities, logits)


def _continue_together(reader: BatchReader, texts: Sequence[_Text], config: SamplingConfig) -> None:
    waiting = iter([text for text in texts if not text.finished])
    rows: dict[int, _Text] = {}
    while True:
        for row in set(range(reader.step.batch_size)) - rows.keys():
            if (text := next(waiting, None)) is not None:
                rows[row] = text
                reader.begin(row)
        if not rows:
            return
        logits = reader.next_logits({row: text.tokens for row, text in rows.items()})  # [text, d_vocab]
        if config.repetition_penalty != 1:  # the one filter that depends on the text
            texts_filtered = zip(logits, rows.values(), strict=True)
            filtered = torch.stack([apply_filters(own, text.tokens, config) for own, text in texts_filtered])
        else:
            filtered = apply_filters(logits, (), config)  # [text, d_vocab]
        tokens = draw_each(filtered.softmax(dim=-1), [text.generator for text in rows.values()])
        for text, token in zip(rows.values(), tokens, strict=True):
            text.push(token)
        rows = {row: text for row, text in rows.items() if not text.finished}


def _described(drawn: _Drawn, tokenizer: Tokenizer) -> GeneratedToken:
    """The token beside the model's own probabilities: half of the time of a token, which only `stream` takes."""
    token, model_probabilities = drawn.token, drawn.logits.softmax(dim=-1)  # [d_vocab]
    top = model_probabilities.topk(min(ALTERNATIVES, len(model_probabilities)))
    return GeneratedToken(
        id=token,
        text=drawn.text,
        probability=drawn.probabilities[token].item(),
        model_probability=model_probabilities[token].item(),
        rank=int((model_probabilities > model_probabilities[token]).sum()) + 1,
        alternatives=tuple(
            Alternative(other, tokenizer.token_text(other), probability)
            for other, probability in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ),
    )


def _first_tokens(tokenizer: Tokenizer, prompt: str) -> list[int]:
    if prompt:
        return tokenizer.encode(prompt)
    try:
        return tokenizer.encode("\n") or [0]
    except ValueError:  # a text without line breaks
        return [0]
