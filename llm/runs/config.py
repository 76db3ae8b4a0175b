"""config.json of a run folder, checked: any damage is reported in one sentence."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from llm.config import INT_LIMIT, ModelConfig, TrainingConfig
from llm.runs.errors import DamagedCheckpointError, read_json_object

T = TypeVar("T")


@dataclass(frozen=True)
class RunConfig:
    """config.json: the two configs, and the raw content."""

    model: ModelConfig
    training: TrainingConfig
    raw: dict[str, Any]

    def about(self, kind: type[T], *keys: str) -> T | None:
        """The value at raw[key][key]… if it is one of this kind: a file from outside can have any structure.

        No table holds an integer of more than 64 bits, so there is none.
        """
        content: Any = self.raw
        for key in keys:
            content = content.get(key) if isinstance(content, dict) else None
        too_large = type(content) is int and abs(content) >= INT_LIMIT
        return content if type(content) is kind and not too_large else None


def read_config(path: Path) -> RunConfig:
    """The content of a config.json. Raises as `read_json_object`."""
    raw = read_json_object(path)
    try:
        model: ModelConfig = _config(ModelConfig, raw["model"])
        training: TrainingConfig = _config(TrainingConfig, raw["training"])
        return RunConfig(model, training.for_model(model), raw)
    except (KeyError, ValueError, OverflowError) as error:  # OverflowError: an integer beyond all floats
        problem = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise DamagedCheckpointError(path, problem) from None


def _config(kind: Any, raw: dict[str, Any]) -> Any:
    """A config from JSON: a field that the JSON lacks keeps its default, an unknown one is an error."""
    if not isinstance(raw, dict):
        raise ValueError(f"its {kind.__name__} is no JSON object")
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    if unknown := raw.keys() - defaults.keys():
        raise ValueError(f"it has fields that no {kind.__name__} has: {', '.join(sorted(unknown))}")
    required = {name for name, default in defaults.items() if default is dataclasses.MISSING}
    if lacking := required - raw.keys():
        raise ValueError(f"its {kind.__name__} lacks {', '.join(sorted(lacking))}")
    return kind(**raw)
