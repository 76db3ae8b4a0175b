"""Whether this machine can train a run: device, precision, compiler, memory, and processes."""

from __future__ import annotations

import dataclasses

from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.costs import memory
from llm.runtime import compute
from llm.runtime.device import choose_device, choose_precision, machine_memory, require_compiler, resolved_precision
from llm.runtime.processes import Processes

SMALLER = "choose a smaller model, n_ctx or batch_size"  # what helps a new run that needs too much memory


def check_machine(config: TrainingConfig, model: ModelConfig, processes: Processes | None = None) -> None:
    """Raise ValueError if this machine, or the number of processes, cannot train such a model with this config."""
    processes = processes or Processes()
    processes.part_of(config.batch_size)
    device = choose_device(config.device)
    processes.require_device(device)
    choose_precision(config.precision, device)
    if config.compile and model.n_experts > 0:  # the products' shapes would be other ones in each step
        raise ValueError(f"compile must be off with n_experts={model.n_experts}, got True")
    if config.compile:
        compute.run(require_compiler, device)


def require_memory(
    model: ModelConfig, training: TrainingConfig, implementation: Implementation, processes: Processes, remedy: str
) -> None:
    """Raise ValueError if training needs more memory than this machine has, before the attempt makes it swap."""
    if choose_device(training.device).type == "cuda":
        return  # torch says at once, and in numbers, that a GPU's memory is full
    of_one = dataclasses.replace(training, batch_size=processes.part_of(training.batch_size))
    process = memory(model, of_one, implementation, resolved_precision(training))
    needed = processes.here * (process.resident - process.files) + process.files  # only the first writes
    if training.sharding != "off":  # each has a part; for a snapshot the first one has the whole, too
        states = process.weights + process.gradients + process.optimizer
        needed -= processes.here * (states - states // processes.count)
        needed += process.weights + process.optimizer if processes.count > 1 else 0
    available = machine_memory()
    if available is not None and needed > available:
        raise ValueError(
            f"Training this model takes about {needed / 1e9:,.1f} GB of memory, and this machine has "
            f"{available / 1e9:,.1f} GB: {remedy}"
        )
