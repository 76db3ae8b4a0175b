"""Generation beside `transformers` with its cache: one text, and 32 texts of different lengths at once.

Both have random weights of the same llama shape, in float32, and draw at temperature 0.8 from 2,048 tokens. The peer is
its model's forward pass in a loop, which is faster than its `generate`; shorter prompts of its batch are padded at the
left. `batch-…` compares 32 texts at once with the same 32 one after the other, both in this project. `past-context` is
a text of five contexts beside five texts of one context each: what it costs to go on when the context is full.
`int8-…` is one text with the weights as integers of 8 bits beside the same in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from transformers import LlamaForCausalLM

from benchmarks.models import D_VOCAB, parameters, theirs, tokenizer
from benchmarks.rows import Row, times
from llm import SamplingConfig, Transformer, preset
from llm.int8 import quantised
from llm.sampling import generate, generate_batch

NEW_TOKENS = 256
TEMPERATURE = 0.8
N_CTX = 512  # holds prompt and text, because the peer keeps every position
PROMPT = list(range(10))
PROMPTS = [list(range(4 + 2 * number)) for number in range(32)]
NEW_IN_BATCH = {"small": 64, "medium": 32}


def model(size: str) -> Transformer:
    return Transformer(preset("llama", size, d_vocab=D_VOCAB, n_ctx=N_CTX)).eval()


def sampling(new_tokens: int) -> SamplingConfig:
    return SamplingConfig(max_new_tokens=new_tokens, temperature=TEMPERATURE, seed=0)


def one_text(size: str, bar: float) -> Row:
    ours, characters = model(size), tokenizer()
    peer = theirs(ours.config).eval()
    work = partial(generate, ours, characters, characters.decode(PROMPT), sampling(NEW_TOKENS))
    both = parameters(ours, peer)
    their_work = partial(generate_with_transformers, peer, [PROMPT], NEW_TOKENS)
    return Row(work, their_work, "transformers", bar, parameters=(both[0], both[1]))


def batch_beside_single(size: str, bar: float) -> Row:
    ours, characters, config = model(size), tokenizer(), sampling(NEW_IN_BATCH[size])
    prompts = [characters.decode(prompt) for prompt in PROMPTS]

    def one_after_the_other() -> None:
        for prompt in prompts:
            generate(ours, characters, prompt, config)

    return Row(partial(generate_batch, ours, characters, prompts, config), one_after_the_other, "one by one", bar)


def batch_beside_transformers(size: str) -> Row:
    ours, characters, new = model(size), tokenizer(), NEW_IN_BATCH[size]
    peer = theirs(ours.config).eval()
    prompts = [characters.decode(prompt) for prompt in PROMPTS]
    work = partial(generate_batch, ours, characters, prompts, sampling(new))
    both = parameters(ours, peer)
    their_work = partial(generate_with_transformers, peer, PROMPTS, new)
    return Row(work, their_work, "transformers", 1.0, parameters=(both[0], both[1]))


def int8_beside_float32(size: str) -> Row:
    full, characters, config = model(size), tokenizer(), sampling(NEW_TOKENS)
    rounded, prompt = quantised(full), characters.decode(PROMPT)
    work, their_work = (partial(generate, each, characters, prompt, config) for each in (rounded, full))
    return Row(work, their_work, "weights in float32", 1.0)


def past_context() -> Row:
    ours, characters = Transformer(preset("llama", "small", d_vocab=D_VOCAB)).eval(), tokenizer()
    n_ctx, prompt = ours.config.n_ctx, characters.decode(PROMPT[:1])
    work = partial(generate, ours, characters, prompt, sampling(5 * n_ctx - 5))
    within = times(5, partial(generate, ours, characters, prompt, sampling(n_ctx - 1)))
    return Row(work, within, "within the context", 1.0)


@torch.inference_mode()
def generate_with_transformers(peer: LlamaForCausalLM, prompts: Sequence[Sequence[int]], new_tokens: int) -> None:
    longest = max(map(len, prompts))
    padding = [[0] * (longest - len(prompt)) for prompt in prompts]
    unread = torch.tensor([[*pad, *prompt] for pad, prompt in zip(padding, prompts, strict=True)])  # [batch, pos]
    there = torch.tensor([[*pad, *[1] * len(prompt)] for pad, prompt in zip(padding, prompts, strict=True)])
    positions = (there.cumsum(1) - 1).clamp(min=0)  # [batch, pos]
    cache, mask = None, there if len(prompts) > 1 else None
    for _ in range(new_tokens):
        output = peer(
            unread, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        cache, positions = output.past_key_values, positions[:, -1:] + 1
        unread = torch.multinomial((output.logits[:, -1] / TEMPERATURE).softmax(dim=-1), 1)
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)


ROWS: dict[str, Callable[[], Row]] = {
    "generation-small": partial(one_text, "small", 6.0),
    "generation-medium": partial(one_text, "medium", 2.5),
    "batch-small": partial(batch_beside_single, "small", 15.0),
    "batch-medium": partial(batch_beside_single, "medium", 15.0),
    "batch-small-transformers": partial(batch_beside_transformers, "small"),
    "batch-medium-transformers": partial(batch_beside_transformers, "medium"),
    "past-context": past_context,
    "int8-small": partial(int8_beside_float32, "small"),
    "int8-medium": partial(int8_beside_float32, "medium"),
}
