"""The plain recipe that everyone knows, as the peer of the row `time-to-loss`: a small GPT on characters.

Learned positions, LayerNorm, GELU, tied embeddings, no biases; 4 layers of width 128, context 64, 0.80 million
parameters. AdamW at 0.001 after a warm-up of 100 steps, then a cosine to a tenth of it, batches of 12 random windows,
2,000 steps. On its own in torch, with torch's fastest kernels for it.
"""

from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from llm.data import TextData
from llm.runtime.device import autocast, choose_precision
from llm.training.evaluation import evaluate

LAYERS, WIDTH, HEADS, CONTEXT = 4, 128, 4, 64
BATCH_SIZE, STEPS, WARMUP, PEAK = 12, 2000, 100, 1e-3
CPU = torch.device("cpu")


class PlainBlock(nn.Module):
    """Attention, then an MLP, each after a LayerNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(WIDTH, bias=False), nn.LayerNorm(WIDTH, bias=False)
        self.qkv, self.output = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.hidden, self.out = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, resid: Tensor) -> Tensor:
        """[batch, pos, width], the same shape back."""
        heads = self.qkv(self.norm_attention(resid)).unflatten(2, (3, HEADS, -1)).transpose(1, 3)
        query, key, value = heads.unbind(2)  # [batch, head, pos, d_head] each
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        resid = resid + self.output(mixed.transpose(1, 2).flatten(2))
        return resid + self.out(nn.functional.gelu(self.hidden(self.norm_mlp(resid))))


class PlainModel(nn.Module):
    """Tokens [batch, pos] to logits [batch, pos, vocabulary]."""

    def __init__(self, d_vocab: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(n_ctx=CONTEXT)  # all that `evaluate` asks a model for
        self.tokens, self.positions = nn.Embedding(d_vocab, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(PlainBlock() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                last = name.endswith(("output.weight", "out.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * LAYERS) if last else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits for the token after each position."""
        resid = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        return nn.functional.linear(self.norm(self.blocks(resid)), self.tokens.weight)


class Outcome(NamedTuple):
    """Of a training run."""

    seconds: float  # in optimizer steps
    loss: float  # on the whole validation text, nats per character


def learning_rate(step: int) -> float:
    """A linear rise, then half a cosine to a tenth."""
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    return PEAK * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))))


def train(data: TextData, d_vocab: int, steps: int = STEPS) -> Outcome:
    """Train the recipe from its seed."""
    torch.manual_seed(0)
    model = PlainModel(d_vocab)
    matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.99), fused=True)
    precision = choose_precision("auto", CPU)
    windows = data.train.unfold(0, CONTEXT + 1, 1)  # [window, pos + 1]
    started = time.perf_counter()
    for step in range(steps):
        batch = windows[torch.randint(len(windows), (BATCH_SIZE,))].long()  # [batch, pos + 1]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        with autocast(CPU, precision):
            logits = model(batch[:, :-1])  # [batch, pos, d_vocab]
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    seconds = time.perf_counter() - started
    return Outcome(seconds, evaluate(model, data.validation).loss)  # type: ignore[arg-type]  # a model of its own
