"""How much memory training takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.costs.activations import FLOAT32, MOST_LOGITS, activation_bytes, in_pieces, weight_copy_bytes
from llm.costs.parameters import active_mlp_width, attention_weights, mlp_weights, parameter_count
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.layers.position import REGISTRY as POSITIONS
from llm.registry import registry

# Freed blocks stay with the process (llm/runtime/allocator.py). Torch aligns its blocks, and glibc does not use the
# hole of one again for a block of that size: a step finds no room in what an evaluation has left, nor all of it in what
# the step before has left. The part was chosen for measured peaks (docs/memory.md).
HOLES = 0.15
# oneDNN generates code for each kind of product in 16 bits, 0.6 MB for one, and keeps it: 12 to 19 MB in all
KERNELS = 18_000_000


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds, by purpose. Not all of it is held at once: see `total`."""

    weights: int
    optimizer: int  # its state
    gradients: int
    activations: int  # what the forward pass saves for the backward pass
    weight_copies: int  # in the forward pass's number format
    in_backward: int  # gradients of activations, which exist for a moment, less activations that are freed by then
    in_step: int  # what the optimizer's step computes
    holes: int  # free memory that is too small for what is needed next
    kernels: int  # generated code
    files: int  # content of the largest file of a snapshot, which is made in memory

    @property
    def comes_and_goes(self) -> int:
        """What exists in a part of a step only: in its forward and backward pass, or in the optimizer's step."""
        return max(self.activations + self.weight_copies + self.in_backward, self.in_step)

    @property
    def total(self) -> int:
        """The most that tensors take at once: weights + optimizer + gradients + comes_and_goes."""
        return self.weights + self.optimizer + self.gradients + self.comes_and_goes

    @property
    def resident(self) -> int:
        """What the process takes beyond what it had before: total + holes + kernels + files."""
        return self.total + self.holes + self.kernels + self.files


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
    in_backward  the gradients of the log-probabilities and of the logits; or later, in the last block, those of its
                 hidden numbers or of its pattern, once log-probabilities and what W_out read are freed; where the
                 loss is computed in pieces, a piece's logits and their gradients
    in_step      4 · numbers of the largest group of equal matrices, as often as the optimizer's entry says
    holes        0.15 · what comes and goes, and what an evaluation has left: the logits, and in a block the input, the
                 output and two vectors of hidden numbers
    files        the weights or the optimizer's state, whichever is larger
    """
    width = FLOAT32 if precision == "float32" else 2
    positions = training.batch_size * config.n_ctx
    parameters = parameter_count(config).total
    hidden = config.n_layers * (attention_weights(config) + mlp_weights(config))
    optimizer = registry("optimizer")[training.optimizer]
    state = optimizer.state_per_hidden_weight * hidden + optimizer.state_per_other_parameter * (parameters - hidden)
    experts, hidden_width = max(1, config.n_experts), active_mlp_width(config)
    largest_group = config.n_layers * max(attention_weights(config), 2 * config.d_model * experts * config.d_mlp)
    hidden_gradients = width * hidden_width * (ACTIVATIONS[config.activation].matrices - 1)
    makes_pattern = implementation != "fused" or POSITIONS[config.positional].acts_on == "scores" or config.dropout > 0
    pattern_gradients = 2 * FLOAT32 * config.n_heads * config.n_ctx if makes_pattern else 0
    in_last_block = positions * max(hidden_gradients, pattern_gradients)
    log_probabilities = FLOAT32 * positions * config.d_vocab
    if in_pieces(config, training.batch_size):
        in_loss = (2 if config.final_softcap is None else 4) * FLOAT32 * MOST_LOGITS  # with the cap's tanh and square
    else:
        in_loss, in_last_block = 2 * log_probabilities, in_last_block - log_probabilities
    saved = activation_bytes(config, training.batch_size, implementation, width)
    if training.gradient_checkpointing:
        of_one_block = activation_bytes(replace(config, n_layers=1), training.batch_size, implementation, width)
        saved = of_one_block + FLOAT32 * config.n_layers * positions * config.d_model
    left_by_evaluation = FLOAT32 * positions * (config.d_vocab + 2 * hidden_width + 2 * config.d_model)
    found = Memory(
        weights=FLOAT32 * parameters,
        optimizer=FLOAT32 * state,
        gradients=FLOAT32 * parameters,
        activations=saved,
        weight_copies=weight_copy_bytes(config, width),
        in_backward=max(in_loss, in_last_block),
        in_step=FLOAT32 * optimizer.step_copies * largest_group,
        holes=0,
        kernels=0 if width == FLOAT32 else KERNELS,
        files=FLOAT32 * max(parameters, state),
    )
    return replace(found, holes=round(HOLES * found.comes_and_goes) + left_by_evaluation)
