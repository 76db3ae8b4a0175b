"""Generation: 256 new tokens from a prompt of 10, beside `transformers` with its cache.

Both have random weights of the same llama shape, in float32, and draw at temperature 0.8 from 2,048 tokens. The peer is
its model's forward pass in a loop, which is faster than its `generate`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.rows import Row
from llm import SamplingConfig, Transformer, preset
from llm.sampling import generate
from llm.tokenizers.char import CharTokenizer

NEW_TOKENS = 256
D_VOCAB = 2048
PROMPT = list(range(10))


def row(size: str, bar: float) -> Row:
    # the context holds prompt and text, because the peer keeps every position
    config = preset("llama", size, d_vocab=D_VOCAB, n_ctx=512)
    model = Transformer(config).eval()
    tokenizer = CharTokenizer.train("".join(chr(0x4E00 + number) for number in range(D_VOCAB)))
    sampling = SamplingConfig(max_new_tokens=NEW_TOKENS, temperature=0.8, seed=0)
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.d_vocab,
            hidden_size=config.d_model,
            intermediate_size=config.d_mlp,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            num_key_value_heads=config.n_kv_heads,
            max_position_embeddings=config.n_ctx,
        )
    ).eval()
    ours = partial(generate, model, tokenizer, tokenizer.decode(PROMPT), sampling)
    return Row(ours, partial(generate_with_transformers, theirs), "transformers", bar)


@torch.inference_mode()
def generate_with_transformers(model: LlamaForCausalLM) -> None:
    unread, cache = torch.tensor([PROMPT]), None
    for _ in range(NEW_TOKENS):
        output = model(unread, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
        unread = torch.multinomial((output.logits[:, -1] / 0.8).softmax(dim=-1), 1)


ROWS: dict[str, Callable[[], Row]] = {
    "generation-small": partial(row, "small", 6.0),
    "generation-medium": partial(row, "medium", 2.5),
}
