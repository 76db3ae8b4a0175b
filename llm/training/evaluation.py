"""How good a model is on a text, and how far chance may have moved the figures.

The windows are laid end to end over the whole text, n_ctx tokens each, so every token but the first is predicted once,
from those before it in its window. A model that fills in masked tokens predicts these alone, each from all others of
its window; then "tokens" are the masked ones, and characters are counted in proportion. What is measured are passages
of that text (`llm.data.passages`): some, evenly spaced, while a model trains, and all at the end.

Every figure but perplexity, exp(loss), is a ratio of two sums over passages, R = Σ y / Σ x, such as nats per token.
With n passages its standard error is that of the ratio estimator (Cochran 1977, Sampling Techniques, chapter 6):

    SE = √(n / (n − 1) · Σ (y − R x)²) / Σ x

The tokens of one passage depend on each other; different passages hardly do, so they are what is counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from llm.data.documents import documents_in
from llm.data.masking import MaskedTokens
from llm.data.passages import Passages
from llm.loss import NO_TARGET, token_losses
from llm.model import Transformer
from llm.runtime.evaluation_mode import evaluating
from llm.runtime.processes import Processes
from llm.runtime.sharding import is_sharded
from llm.runtime.stepwise import stepwise

Autocast = Callable[[], AbstractContextManager[object]]


CLEAR = 2.0  # standard errors: chance alone rarely moves a figure further


class Ratio(NamedTuple):
    """A ratio of two sums, and its standard error: None from a single passage."""

    value: float
    standard_error: float | None


@dataclass(frozen=True)
class Evaluation:
    """Measures on passages of a text; each standard error is None if there is only one passage."""

    loss: float  # mean cross-entropy, nats per predicted token
    standard_error: float | None  # of the loss
    perplexity: float  # exp(loss): as uncertain as a choice among this many equally likely tokens
    accuracy: float  # fraction of the tokens that the model finds likeliest
    accuracy_standard_error: float | None
    bits_per_character: float  # total nats / ln 2 / characters, so that tokenizers compare
    bits_per_character_standard_error: float | None
    passages: int
    tokens: int
    characters: int


@dataclass(frozen=True)
class PassageSums:
    """What a model was measured to have on each passage: a list of the same length each."""

    nats: list[float]  # Σ −ln p[next token]
    tokens: list[int]
    characters: list[int]


@stepwise
def evaluate(
    model: Transformer,
    passages: Passages,
    chosen: Int[Tensor, " chosen"] | None = None,
    batch_size: int = 16,
    autocast: Autocast = nullcontext,
    processes: Processes | None = None,
    boundary: int | None = None,
    masked: MaskedTokens | None = None,
) -> Generator[None, None, Evaluation]:
    """Measure `model` on the `chosen` passages, or on all of them. Yields after each batch of windows.

    Several `processes` share the windows, and all get the result. A `boundary` is the token at which documents begin
    that are not to see each other (`llm.data.documents`). A model that fills in masked tokens is measured on these
    tokens of the text (`llm.data.masking.measured_tokens`).
    """
    evaluation, _ = yield from evaluate_passages.steps(
        model, passages, chosen, batch_size, autocast, processes, boundary, masked
    )
    return evaluation


@stepwise
def evaluate_passages(
    model: Transformer,
    passages: Passages,
    chosen: Int[Tensor, " chosen"] | None = None,
    batch_size: int = 16,
    autocast: Autocast = nullcontext,
    processes: Processes | None = None,
    boundary: int | None = None,
    masked: MaskedTokens | None = None,
) -> Generator[None, None, tuple[Evaluation, PassageSums]]:
    """As `evaluate`, with the sums of each passage."""
    chosen = passages.evenly_spaced(len(passages)) if chosen is None else chosen
    how = batch_size, autocast, processes or Processes(), boundary
    with evaluating(model):
        wanted = passages.mask(chosen)  # [tokens]
        if masked is None:
            nats, right = yield from _token_measures(model, passages.tokens, wanted, *how)
        else:
            nats, right = yield from _masked_measures(model, masked, wanted, *how)
    tokens, characters = passages.starts.diff()[chosen], passages.characters[chosen]  # [chosen]
    if masked is not None:
        asked = passages.sums(masked.targets != NO_TARGET)[chosen]  # [chosen]
        tokens, characters = asked, (characters * asked / tokens).round().long().clamp(min=1)  # [chosen]
    total_nats, total_right = passages.sums(nats)[chosen], passages.sums(right)[chosen]  # [chosen]
    loss, accuracy = ratio(total_nats, tokens), ratio(total_right, tokens)
    bits = ratio(total_nats / math.log(2), characters)
    evaluation = Evaluation(
        *loss,
        perplexity=math.exp(min(loss.value, 700)),  # above it exp overflows a float
        accuracy=accuracy.value,
        accuracy_standard_error=accuracy.standard_error,
        bits_per_character=bits.value,
        bits_per_character_standard_error=bits.standard_error,
        passages=len(chosen),
        tokens=int(tokens.sum()),
        characters=int(characters.sum()),
    )
    return evaluation, PassageSums(total_nats.tolist(), tokens.tolist(), characters.tolist())


def ratio(numerators: Float[Tensor, " passages"], denominators: Int[Tensor, " passages"]) -> Ratio:
    """The ratio of the sums, and its standard error; see the module."""
    count, total = len(numerators), denominators.sum().item()
    value = numerators.sum().item() / total
    if count == 1:
        return Ratio(value, None)
    squares = (numerators - value * denominators.double()).square().sum().item()
    return Ratio(value, math.sqrt(count / (count - 1) * squares) / total)


def _token_measures(
    model: Transformer,
    tokens: Int[Tensor, " tokens"],
    wanted: Bool[Tensor, " tokens"],
    batch_size: int,
    autocast: Autocast,
    processes: Processes,
    boundary: int | None,
) -> Generator[None, None, tuple[Float[Tensor, " tokens"], Float[Tensor, " tokens"]]]:
    """The loss of each wanted token in nats, and 1 where the likeliest token is the true one, else 0.

    A window without wanted tokens is left out, any other is read up to its last wanted token. Windows of similar length
    share a batch; the shorter ones are padded at their end, which changes nothing before it. Of each batch a process
    reads every n-th window, as many as the others; the rest is 0 until the processes' results are added. Each forward
    pass of a sharded model needs all processes: one without a window of its own then reads another's.
    """
    sharded = is_sharded(model.parameters())
    n_ctx = model.config.n_ctx
    missing = -(len(tokens) - 1) % n_ctx
    windows = pad(tokens, (0, missing)).unfold(0, n_ctx + 1, n_ctx)  # [window, pos + 1], the last token is a target
    asked = pad(wanted[1:], (0, missing)).view(-1, n_ctx)  # [window, pos]
    lengths = (asked * torch.arange(1, n_ctx + 1)).amax(dim=1)  # [window]
    measures = torch.zeros(2, *asked.shape, dtype=torch.float64)  # [nats or right, window, pos]
    for batch in lengths.argsort(stable=True)[(lengths == 0).sum() :].split(batch_size):
        longest = int(lengths[batch[-1]])
        own = batch[processes.rank :: processes.count]  # [window]
        if len(own):
            inputs, targets = windows[own, :longest], windows[own, 1 : longest + 1]  # [batch, pos]
            measures[:, own, :longest] = torch.stack(_predict(model, inputs, targets, inputs, autocast, boundary))
        elif sharded:
            inputs, targets = windows[batch[:1], :longest], windows[batch[:1], 1 : longest + 1]  # [1, pos]
            _predict(model, inputs, targets, inputs, autocast, boundary)
        yield
    measures = processes.sum(measures)
    nats, right = (pad(values.flatten(), (1, 0))[: len(tokens)] for values in measures)  # [tokens]
    return nats, right


def _masked_measures(
    model: Transformer,
    masked: MaskedTokens,
    wanted: Bool[Tensor, " tokens"],
    batch_size: int,
    autocast: Autocast,
    processes: Processes,
    boundary: int | None,
) -> Generator[None, None, tuple[Float[Tensor, " tokens"], Float[Tensor, " tokens"]]]:
    """The same of each masked token that is wanted, and 0 for the others.

    The last window begins earlier where it would be shorter: the model would see what it is padded with.
    """
    sharded, count = is_sharded(model.parameters()), len(wanted)
    length = min(model.config.n_ctx, count)
    starts = torch.arange(0, count, length)  # [window]
    earlier = starts.clamp(max=count - length)  # [window]
    position = earlier.unsqueeze(1) + torch.arange(length)  # [window, pos]
    inputs, targets, whole = masked.inputs[position], masked.targets[position], masked.whole[position]  # [window, pos]
    targets = targets.masked_fill(~wanted[position] | (position < starts.unsqueeze(1)), NO_TARGET)  # [window, pos]
    asked = targets != NO_TARGET  # [window, pos]
    measures = torch.zeros(2, count, dtype=torch.float64)  # [nats or right, tokens]
    for batch in asked.any(dim=1).nonzero().flatten().split(batch_size):
        own = batch[processes.rank :: processes.count]  # [window]
        if len(own):
            found = torch.stack(_predict(model, inputs[own], targets[own], whole[own], autocast, boundary))
            measures[:, position[own][asked[own]]] = found[:, asked[own]]
        elif sharded:
            _predict(model, inputs[batch[:1]], targets[batch[:1]], whole[batch[:1]], autocast, boundary)
        yield
    nats, right = processes.sum(measures)  # [tokens]
    return nats, right


@torch.no_grad()
def _predict(
    model: Transformer,
    inputs: Int[Tensor, "batch pos"],
    targets: Int[Tensor, "batch pos"],
    whole: Int[Tensor, "batch pos"],
    autocast: Autocast,
    boundary: int | None,
) -> tuple[Float[Tensor, "batch pos"], Float[Tensor, "batch pos"]]:
    """The loss of each target, and whether the likeliest token is the target. `whole`: the tokens, none masked."""
    device = next(model.parameters()).device
    with autocast():
        documents = documents_in(whole.to(device), boundary)  # [batch, pos]
        logits = model(inputs.to(device, torch.int64), documents=documents)  # [batch, pos, d_vocab]
    targets = targets.to(logits.device)  # [batch, pos]; parameters can wait on another device than they compute on
    losses = token_losses(logits, targets)  # [batch, pos]
    return losses.double().cpu(), (logits.argmax(dim=-1) == targets).double().cpu()
