"""The same llama in this project and in `transformers`, with random weights, and random tokens to train on."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from llm import Trainer, TrainingConfig, Transformer
from llm.config import ModelConfig
from llm.data import TextData
from llm.data.passages import Passages
from llm.tokenizers.char import CharTokenizer

D_VOCAB = 2048


def tokenizer() -> CharTokenizer:
    """A tokenizer of so many characters: what the tokens mean plays no part."""
    return CharTokenizer.train("".join(chr(0x4E00 + number) for number in range(D_VOCAB)))


def theirs(config: ModelConfig) -> LlamaForCausalLM:
    """The model of `transformers` of this shape; its attention is scaled_dot_product_attention, its default."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.d_vocab,
            hidden_size=config.d_model,
            intermediate_size=config.d_mlp,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            num_key_value_heads=config.n_kv_heads,
            max_position_embeddings=config.n_ctx,
        )
    )


def parameters(*models: nn.Module) -> tuple[int, ...]:
    """The number of parameters of each model."""
    return tuple(sum(parameter.numel() for parameter in model.parameters()) for model in models)


def trainer(config: ModelConfig, **settings: Any) -> Trainer:
    """A trainer of a new model on random tokens that measures nothing between its steps."""
    training = TrainingConfig(steps=10**6, eval_every=10**6, **settings)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(config.d_vocab, (64 * config.n_ctx,), dtype=torch.int32, generator=generator)
    characters = tokenizer()
    data = TextData(tokens, Passages.from_text(characters.decode([0, 1]), characters), config.n_ctx)
    return Trainer(Transformer(config), characters, data, training, evaluators=[])
