"""A model's weights as a safetensors file: named tensors and their step, nothing that executes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from llm.config import ModelConfig
from llm.costs import parameter_count
from llm.model import Transformer
from llm.runs.errors import DamagedCheckpointError
from llm.runtime.regular_files import require_regular


@dataclass(frozen=True)
class GatheredWeights:
    """The weights of a model of which several processes have a part each, gathered in this one."""

    tensors: dict[str, torch.Tensor]

    def named_parameters(self) -> Iterable[tuple[str, torch.Tensor]]:
        """As a model's."""
        return self.tensors.items()


def weights_as_bytes(model: Transformer | GatheredWeights, step: int) -> bytes:
    """The content of a weights file."""
    tensors = {name: parameter.detach().cpu().contiguous() for name, parameter in model.named_parameters()}
    return safetensors.torch.save(tensors, metadata={"step": str(step)})


def load_weights(path: Path, model: Transformer) -> int:
    """Copy the weights in a file into `model`; returns their step.

    Raises:
        IrregularFileError: there is a link or something else in place of the file.
        DamagedCheckpointError: the file cannot be read, or does not fit the model, which is left as it was.
    """
    step, tensors = read_weights(path)
    parameters = dict(model.named_parameters())
    _check(path, parameters, tensors)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])
    return step


def read_weights(path: Path) -> tuple[int, dict[str, torch.Tensor]]:
    """The step and the tensors of a weights file. Raises IrregularFileError or DamagedCheckpointError."""
    require_regular(path)
    try:
        metadata, tensors = _read(path)
        return int(metadata["step"]), tensors
    except (safetensors.SafetensorError, KeyError, ValueError, OSError) as error:
        raise DamagedCheckpointError(path, f"it cannot be read as safetensors ({error})") from None


def require_room(path: Path, config: ModelConfig) -> None:
    """Raise DamagedCheckpointError if a file is too small to hold the weights of this config.

    A damaged config.json may need more memory than there is: it is rejected before the model is built.
    """
    needed, size = parameter_count(config).total, path.stat().st_size
    if needed > size:
        problem = f"its {size:,} bytes cannot hold the {needed:,} parameters of the model in config.json"
        raise DamagedCheckpointError(path, problem)


def _read(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Metadata and tensors of a safetensors file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:  # the package opens no path that is not UTF-8
        content = path.read_bytes()
        tensors = safetensors.torch.load(content)  # checks the header
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return header.get("__metadata__", {}), tensors
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    return metadata, safetensors.torch.load_file(path)


def _check(path: Path, parameters: dict[str, torch.nn.Parameter], tensors: dict[str, torch.Tensor]) -> None:
    for name in sorted(parameters.keys() ^ tensors.keys()):
        side = "lacks" if name in parameters else "has, beyond the model's parameters,"
        raise DamagedCheckpointError(path, f"it {side} {name}")
    for name, parameter in parameters.items():
        if tensors[name].shape != parameter.shape:
            shape, expected = list(tensors[name].shape), list(parameter.shape)
            raise DamagedCheckpointError(path, f"{name} is {shape}, and the model needs {expected}")
        if not tensors[name].is_floating_point():
            raise DamagedCheckpointError(path, f"{name} holds {tensors[name].dtype}, which are no weights")
