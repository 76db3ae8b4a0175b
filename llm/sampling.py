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
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from llm.config import SamplingConfig
from llm.decoding import DecodeStep, decode_step
from llm.layers.cache import KeyValueCache
from llm.model import Transformer
from llm.runtime.evaluation_mode import evaluating
from llm.stop_strings import StopStrings
from llm.tokenizers import TextDecoder, Tokenizer

ALTERNATIVES = 8


class NonFiniteLogitsError(ValueError):
    """The model's logits contain NaN or infinity: its weights diverged."""


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
    ends = probabilities.double().cumsum(dim=-1)  # [d_vocab]
    point = torch.rand((), dtype=torch.float64, generator=generator) * ends[-1]
    return int(torch.searchsorted(ends, point, right=True))  # right: a token of probability 0 has no point


def window_start(length: int, n_ctx: int) -> int:
    """The index of the first of `length` tokens that the model still reads.

    A text of at most n_ctx tokens is read completely. Each time it would grow longer, the oldest half of a window is
    dropped and the rest is read again from position 0: positions stay in the range seen in training, whatever the
    scheme, and at least half a window of context remains. (Dropping one token at a time would mean reading the whole
    window again for every token, because all positions shift, and keys and values with them.)
    """
    half = (n_ctx + 1) // 2
    return -(-max(0, length - n_ctx) // half) * half


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


class _Drawn(NamedTuple):
    token: int
    text: str  # as in `GeneratedToken`
    probabilities: Float[Tensor, " d_vocab"]  # after all filters
    logits: Float[Tensor, " d_vocab"]  # the model's own


def _draws(
    model: Transformer, tokenizer: Tokenizer, prompt: str, config: SamplingConfig, use_cache: bool
) -> Iterator[_Drawn]:
    tokens = _first_tokens(tokenizer, prompt)
    reader = _Reader(model, use_cache, len(tokens) + config.max_new_tokens)
    return _continue(reader, tokenizer, tokens, config)


def _continue(reader: _Reader, tokenizer: Tokenizer, tokens: list[int], config: SamplingConfig) -> Iterator[_Drawn]:
    generator = torch.Generator()
    if config.seed is None:
        generator.seed()
    else:
        generator.manual_seed(config.seed)
    decoder, stops = TextDecoder(tokenizer), StopStrings(config.stop)
    for remaining in reversed(range(config.max_new_tokens)):
        logits = reader.next_logits(tokens)  # [d_vocab]
        probabilities = apply_filters(logits, tokens, config).softmax(dim=-1)  # [d_vocab]
        token = draw(probabilities, generator)
        tokens.append(token)
        text = stops.push(decoder.push(token))
        if remaining == 0:
            text += stops.push(decoder.flush()) + stops.flush()
        yield _Drawn(token, text, probabilities, logits)
        if stops.stopped:
            return


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


class _Reader:
    """Computes logits for a growing text, of which the model reads the part from `window_start` on.

    The model reads the first tokens of each window; the following ones are read by its `DecodeStep`, if it has one.
    """

    def __init__(self, model: Transformer, use_cache: bool, length: int | None = None) -> None:
        """`length`: the most tokens that the text will have, if that is known."""
        n_ctx = model.config.n_ctx
        self.model = model
        self.use_cache = use_cache
        self.length = n_ctx if length is None else min(length, n_ctx)
        self.start = 0
        self.cached = 0  # positions of the window whose keys and values are kept
        self.cache = KeyValueCache(model.config)
        self.step: DecodeStep | None = None
        self.step_wanted = use_cache

    @torch.no_grad()
    def next_logits(self, tokens: list[int]) -> Float[Tensor, " d_vocab"]:
        """Logits for the token after `tokens`, on the CPU in float64. Since the last call `tokens` has only grown."""
        start = window_start(len(tokens), self.model.config.n_ctx)
        if self.step is not None and self.step.stale:
            # something trains the model, which reads the text itself from now on
            self.step, self.step_wanted, self.cached = None, False, 0
        one_is_new = len(tokens) == self.start + self.cached + 1
        if start != self.start or not self.use_cache or not one_is_new:
            self.start, self.cached = start, 0
        unread = tokens[start + self.cached :]
        step = self._step() if self.cached else None
        if step is None:
            logits = self._ask_model(unread)  # [d_vocab]
        else:
            logits = step(unread, [self.cached])[0]  # [d_vocab]
        self.cached += len(unread)
        if not logits.isfinite().all():
            raise NonFiniteLogitsError(
                "The model's logits contain NaN or infinity, so no token can be drawn: its weights diverged"
            )
        return logits.cpu().double()

    def _step(self) -> DecodeStep | None:
        """The step, which has taken over what the model has cached; None: it cannot read this model's text."""
        if self.step_wanted and self.step is None:
            self.step = decode_step(self.model, 1, self.length)
            self.step_wanted = self.step is not None
        if self.step is not None and self.cached == self.cache.length:
            self.step.load(self.cache, [0])
        return self.step

    def _ask_model(self, unread: list[int]) -> Float[Tensor, " d_vocab"]:
        if self.cached == 0:
            self.cache = KeyValueCache(self.model.config)
        with evaluating(self.model):
            tokens = torch.tensor([unread], device=self.model.embed.W_E.device)  # [1, pos]
            logits: Tensor = self.model(tokens, self.cache if self.use_cache else None)[0, -1]  # [d_vocab]
            return logits
