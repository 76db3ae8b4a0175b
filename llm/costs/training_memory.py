"""How much memory training takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.costs.activations import FLOAT32, activation_bytes, weight_copy_bytes
from llm.costs.parameters import attention_weights, mlp_weights, parameter_count
from llm.layers.position import REGISTRY as POSITIONS
from llm.registry import registry

# What a process takes for each byte that its tensors have at once: freed blocks stay with it, and are used again only
# for what fits (llm/runtime/allocator.py). Measured: 1.25 to 1.75 (docs/memory.md).
RESIDENT = 1.5


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds, by purpose. Not all of it is held at once: see `total`."""

    weights: int
    optimizer: int  # its state
    gradients: int  # after the backward pass
    accumulated: int  # gradients of earlier passes, while another one runs
    activations: int  # what the forward pass saves for the backward pass
    weight_copies: int  # in the forward pass's number format
    in_backward: int  # gradients of activations, which exist for a moment
    in_step: int  # what the optimizer's step computes, and the weights as a file's content

    @property
    def total(self) -> int:
        """The most that tensors take at once: all activations and no gradients yet, or the other way round.

        weights + optimizer + max(accumulated + activations + weight_copies + in_backward, gradients + in_step)
        """
        backward = self.accumulated + self.activations + self.weight_copies + self.in_backward
        return self.weights + self.optimizer + max(backward, self.gradients + self.in_step)

    @property
    def resident(self) -> int:
        """What the process takes beyond what it had before: the peak, and what its allocator keeps for later."""
        return round(RESIDENT * self.total)


def memory(
    config: ModelConfig,
    training: TrainingConfig,
    implementation: Implementation = "fused",
    precision: str = "float32",
) -> Memory:
    """Bytes for training on a CPU with this batch size and optimizer. `precision` is the resolved one, not auto.

    weights      4 · parameters: in float32, whatever the forward pass's format
    gradients    4 · parameters
    optimizer    4 · (numbers that its entry keeps per weight of the blocks' matrices, and per other parameter)
    activations  see `llm.costs.activations`; with gradient checkpointing those of one block, and the blocks' inputs
    in_backward  the gradients of the log-probabilities and of the logits, or of the two widest tensors of a block
    in_step      4 · numbers of the largest group of equal matrices, as often as the optimizer's entry says; or the
                 weights twice, while a snapshot is written
    """
    width = FLOAT32 if precision == "float32" else 2
    positions = training.batch_size * config.n_ctx
    parameters = parameter_count(config).total
    hidden = config.n_layers * (attention_weights(config) + mlp_weights(config))
    optimizer = registry("optimizer")[training.optimizer]
    state = optimizer.state_per_hidden_weight * hidden + optimizer.state_per_other_parameter * (parameters - hidden)
    largest_group = config.n_layers * max(attention_weights(config), 2 * config.d_model * config.d_mlp)
    makes_pattern = implementation != "fused" or POSITIONS[config.positional].acts_on == "scores" or config.dropout > 0
    widest = max(width * config.d_mlp, FLOAT32 * config.n_heads * config.n_ctx if makes_pattern else 0)
    saved = activation_bytes(config, training.batch_size, implementation, width)
    if training.gradient_checkpointing:
        of_one_block = activation_bytes(replace(config, n_layers=1), training.batch_size, implementation, width)
        saved = of_one_block + FLOAT32 * config.n_layers * positions * config.d_model
    return Memory(
        weights=FLOAT32 * parameters,
        optimizer=FLOAT32 * state,
        gradients=FLOAT32 * parameters,
        accumulated=FLOAT32 * parameters if training.accumulation > 1 else 0,
        activations=saved,
        weight_copies=weight_copy_bytes(config, width),
        in_backward=2 * positions * max(FLOAT32 * config.d_vocab, widest),
        in_step=FLOAT32 * max(2 * parameters, optimizer.step_copies * largest_group),
    )
