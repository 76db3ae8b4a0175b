"""What the page Attention shows, put together layer by layer: every pattern small, and one head with its arithmetic.

A forward pass is walked one layer at a time, so that on the compute thread (`llm.runtime.compute.iterate`) each layer
is a task of its own and no more than one layer's patterns are in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from llm.checkpoints import Run
from llm.data import TextData, split_text
from llm.interpret.heads import HeadScores, pattern_scores, repeated_tokens, weighted_by_values
from llm.interpret.recording import as_batch, blocks, record, twin
from llm.layers.attention import Attention
from llm.layers.block import Block
from llm.loss import token_losses
from llm.model import Transformer
from llm.tokenizers import Tokenizer

LONGEST = 512  # tokens that a view shows at most
CELLS = 128  # cells of a small picture along each side
HIGH = 0.5  # a head is named after a score above this: more than half of its attention goes there
NAMES = {
    "previous": "previous token",
    "duplicate": "duplicate token",
    "induction": "induction",
    "first": "first token",
}


@dataclass(frozen=True)
class AttentionLayer:
    """What one attention layer made of a text; `plain_query` and `plain_key` are those before rotary positions."""

    attention: Attention
    plain_query: Float[Tensor, "batch head pos d_head"]
    plain_key: Float[Tensor, "batch kv_head pos d_head"]
    query: Float[Tensor, "batch head pos d_head"]
    key: Float[Tensor, "batch kv_head pos d_head"]
    value: Float[Tensor, "batch kv_head pos d_head"]
    scores: Float[Tensor, "batch head query_pos key_pos"]
    pattern: Float[Tensor, "batch head query_pos key_pos"]


@dataclass(frozen=True)
class HeadView:
    """One head on one text, as float32 arrays; whatever a query may not see is NaN.

    score[q, k] = content[q, k] + position[q, k] = query[q] · key[k] / sqrt(d_head) (+ the ALiBi bias)
    exponential[q, k] = exp(score[q, k] − highest[q]),  total[q] = Σ_k exponential[q, k],
    pattern[q, k] = exponential[q, k] / total[q]

    `content` is the score as it would be if every key stood where its query stands (rope) or without the penalty
    (alibi), and `position` what is added to it because the key stands elsewhere. With other position schemes order is
    part of the residual stream: then `position` is 0. `by_distance` is described at `distance_scores`.
    """

    pattern: np.ndarray  # [query_pos, key_pos], and so are the next six
    weighted: np.ndarray
    pattern_rest: np.ndarray  # without the first token, see `without_first`
    weighted_rest: np.ndarray
    scores: np.ndarray
    content: np.ndarray
    position: np.ndarray
    query: np.ndarray  # [pos, d_head], as they enter the dot product
    key: np.ndarray  # [pos, d_head]
    highest: np.ndarray  # [pos]
    total: np.ndarray  # [pos]
    by_distance: np.ndarray  # [head, distance]; [head, 0] where the scheme does not act by distance


@dataclass(frozen=True)
class Context:
    """How well a model uses its context, on held-out windows: loss by position, in nats, and two summaries."""

    by_position: Float[Tensor, " pos"]
    loss: float
    windows: int


def attention_layers(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Iterator[AttentionLayer]:
    """One forward pass, a layer at a time. The model itself is never hooked or switched.

    Raises:
        ValueError: tokens that the model cannot read.
    """
    tokens = as_batch(model, tokens)
    other = twin(model, readable=True)
    resid = _enter(other, tokens)  # [batch, pos, d_model]
    for block in blocks(other):
        resid, layer = _through(block, resid)
        yield layer


# Gradients are switched off inside these two alone: a generator that waits must leave its thread as it found it.


@torch.no_grad()
def _enter(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
    resid = model.embed(tokens)  # [batch, pos, d_model]
    return model.hook_embedding(resid if model.positions is None else model.positions(resid, 0))


@torch.no_grad()
def _through(
    block: Block, resid: Float[Tensor, "batch pos d_model"]
) -> tuple[Float[Tensor, "batch pos d_model"], AttentionLayer]:
    attention = block.attention
    kept: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        kept[name] = output.clone()

    sources = {name: getattr(attention, f"hook_{name}") for name in ("query", "key", "value", "scores", "pattern")}
    sources |= {"plain_query": attention.norm_query, "plain_key": attention.norm_key}
    hooks = [module.register_forward_hook(partial(keep, name)) for name, module in sources.items()]
    resid = block(resid)  # [batch, pos, d_model]
    for hook in hooks:
        hook.remove()
    return resid, AttentionLayer(attention, **kept)


def small_pattern(
    pattern: Float[Tensor, "head query_pos key_pos"], cells: int = CELLS
) -> UInt8[Tensor, "head query_cell key_cell"]:
    """Patterns as pictures of 8 bits: round(255 · sqrt(A)), so that small weights can be told from none.

    Beyond `cells` positions a cell stands for a square of them and shows the greatest weight in it.
    """
    span = cell_span(pattern.shape[-1], cells)
    if span > 1:
        pattern = nn.functional.max_pool2d(pattern[None], span, ceil_mode=True)[0]
    return (255 * pattern.float().sqrt()).round().to(torch.uint8).cpu()


def cell_span(positions: int, cells: int = CELLS) -> int:
    """Positions along each side of the square that a cell of `small_pattern` stands for."""
    return -(-positions // cells)


def scores_by_layer(model: Transformer, occurring: Int[Tensor, " ids"]) -> Iterator[HeadScores]:
    """`head_scores`, one layer after the other.

    Raises:
        ValueError: as `repeated_tokens`.
    """
    tokens, length = repeated_tokens(model, occurring)
    for layer in attention_layers(model, tokens):
        yield pattern_scores(layer.pattern.float(), length)


def head_label(previous: float, duplicate: float, induction: float, first: float) -> tuple[str, float] | None:
    """What a head may be called, and its score; None where no score is above `HIGH`.

    A name says where more than half of the attention goes on random repeated tokens, and no more than that.
    """
    scores = {"previous": previous, "duplicate": duplicate, "induction": induction, "first": first}
    name = max(scores, key=lambda one: scores[one])
    return (name, scores[name]) if scores[name] > HIGH else None


def without_first(pattern: Float[Tensor, "query_pos key_pos"]) -> Float[Tensor, "query_pos key_pos"]:
    """The pattern among all keys but the first: A[q, k] / (1 − A[q, 0]) for k ≥ 1; the first query sees nothing then.

    Many heads rest on the first token when they find nothing (an attention sink); what they do else shows without it.
    """
    rest = pattern.clone()
    rest[:, 0] = 0
    return rest / rest.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(rest.dtype).tiny)


@torch.no_grad()
def head_view(layer: AttentionLayer, head: int) -> HeadView:
    """All that one head did with the first text of the batch.

    The value-weighted pattern is that of `weighted_by_values`.

    Raises:
        ValueError: no such head.
    """
    attention = layer.attention
    if not 0 <= head < attention.n_heads:
        raise ValueError(f"head {head} does not exist: a layer's heads are 0 to {attention.n_heads - 1}")
    kv_head = head // attention.group
    pattern = layer.pattern[0, head].float()  # [query_pos, key_pos]
    value = layer.value[:1, kv_head, None].float()  # [1, 1, pos, d_head]
    weighted = weighted_by_values(pattern[None, None], value)[0, 0]  # [query_pos, key_pos]
    scores = layer.scores[0, head].float()  # [query_pos, key_pos]
    plain = layer.plain_query[0, head].float() @ layer.plain_key[0, kv_head].float().T
    content = plain / math.sqrt(attention.d_head)  # [query_pos, key_pos]
    acts_by_distance = attention.rotary is not None or attention.alibi is not None
    content = content if acts_by_distance else scores
    highest = scores.amax(dim=-1)  # [query_pos]
    total = (scores - highest[:, None]).exp().sum(dim=-1)  # [query_pos]
    hidden = scores.isneginf()  # [query_pos, key_pos]

    def seen(matrix: Tensor) -> np.ndarray:
        return _array(matrix.masked_fill(hidden, torch.nan))

    return HeadView(
        pattern=seen(pattern),
        weighted=seen(weighted),
        pattern_rest=seen(without_first(pattern)),
        weighted_rest=seen(without_first(weighted)),
        scores=seen(scores),
        content=seen(content),
        position=seen(scores - content),
        query=_array(layer.query[0, head]),
        key=_array(layer.key[0, kv_head]),
        highest=_array(highest),
        total=_array(total),
        by_distance=_array(distance_scores(layer)),
    )


@torch.no_grad()
def distance_scores(layer: AttentionLayer) -> Float[Tensor, "head distance"]:
    """What distance d = q − k alone does to each head's scores on the first text of the batch.

    alibi  −slope · d, as it is added to the score
    rope   the mean over all pairs of the text's queries and keys of the score that they would have at distance d:
           mean query, turned to d, · mean key, turned to 0, / sqrt(d_head)
    Others have no such part: [head, 0].
    """
    attention = layer.attention
    positions = layer.scores.shape[-1]
    if attention.alibi is not None:
        return attention.alibi(1, positions)[:, 0].flip(-1)  # [head, distance]
    if attention.rotary is None:
        return layer.scores.new_zeros(attention.n_heads, 0)
    query = layer.plain_query[:1].mean(dim=2, keepdim=True).expand(-1, -1, positions, -1)  # [1, head, distance, d_head]
    turned = attention.rotary(query)[0]  # [head, distance, d_head]
    key = layer.plain_key[0].mean(dim=1).repeat_interleave(attention.group, dim=0)  # [head, d_head]
    dots = (turned * rearrange(key, "head d_head -> head 1 d_head")).sum(dim=-1)  # [head, distance]
    return dots / math.sqrt(attention.d_head)


def next_token(model: Transformer, tokens: Sequence[int]) -> tuple[int, float]:
    """The token that the model finds likeliest to follow a text, and its probability."""
    logits = record(model, one_text(tokens), ["logits"])["logits"][0, -1].float()  # [d_vocab]
    probabilities = logits.softmax(dim=-1)  # [d_vocab]
    token = int(probabilities.argmax())
    return token, float(probabilities[token])


def held_out_losses(model: Transformer, data: TextData, windows: int = 32, batch_size: int = 8) -> Iterator[Context]:
    """`loss_by_position` on the validation windows, growing by a batch at a time; the last one is of all windows."""
    inputs, targets = data.evaluation_windows(windows)
    total = torch.zeros(inputs.shape[1], dtype=torch.float64)  # [pos]
    for start in range(0, len(inputs), batch_size):
        batch = slice(start, start + batch_size)
        logits = record(model, inputs[batch], ["logits"])["logits"]
        total += token_losses(logits, targets[batch]).cpu().double().sum(dim=0)
        read = min(start + batch_size, len(inputs))
        mean = total / read  # [pos]
        yield Context(mean, float(mean.mean()), read)


def opening(run: Run, tokens: int = 32) -> str:
    """The first words of the run's held-out text, about so many tokens: something to look at first."""
    start = split_text(run.folder.text())[1][: 20 * tokens]
    ids = run.tokenizer.encode(start)[: min(tokens, run.config.n_ctx)]
    words = run.tokenizer.decode(ids)
    return words.rsplit(" ", 1)[0] if " " in words.strip() else words


def one_text(tokens: Sequence[int]) -> Int[Tensor, "batch pos"]:
    """Token ids as a batch of one text."""
    return torch.tensor([list(tokens)])


def readable(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[str]:
    """Each token for display."""
    return [tokenizer.token_text(token) for token in tokens]


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
