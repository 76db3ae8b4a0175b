"""The tensors of a Hugging Face folder: one safetensors file, or several with an index. Nothing else is read.

Names, shapes and number formats are read from the files' headers, which safetensors checks against the file's size;
numbers only once all of them are as they should be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch

from llm.runs.errors import DamagedCheckpointError, read_json_object
from llm.runtime.regular_files import require_regular

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}\.safetensors")
FORMATS = {"F64", "F32", "F16", "BF16"}
MOST_SHARDS = 1000


@dataclass(frozen=True)
class TensorFile:
    """Where a tensor is, its name there, and its shape."""

    path: Path
    name: str
    shape: tuple[int, ...]


def tensor_files(folder: Path) -> dict[str, TensorFile]:
    """Every tensor of a folder by its name.

    Raises:
        FileNotFoundError: there are no safetensors.
        DamagedCheckpointError: a file or the index is damaged, or they do not fit together.
        IrregularFileError: there is a link or the like in place of a file.
    """
    if (folder / INDEX).exists() and not (folder / WHOLE).exists():
        return _sharded(folder)
    if not (folder / WHOLE).exists():
        others = sorted(path.name for path in folder.glob("*") if path.suffix in (".bin", ".pt", ".pth", ".h5"))
        beside = f": {others[0]} is not read, since such files can run code" if others else ""
        raise FileNotFoundError(f"{folder} has no {WHOLE}{beside}")
    return _header(folder / WHOLE)


def read_tensors(files: dict[str, TensorFile]) -> Iterator[tuple[str, torch.Tensor]]:
    """These tensors, one at a time, with the keys they have here. Raises DamagedCheckpointError."""
    for path in sorted({file.path for file in files.values()}):
        try:
            with safetensors.safe_open(path, framework="pt") as opened:
                for key in sorted(key for key, file in files.items() if file.path == path):
                    yield key, opened.get_tensor(files[key].name)
        except (safetensors.SafetensorError, OSError) as error:
            raise DamagedCheckpointError(path, f"it cannot be read as safetensors ({error})") from None


def _sharded(folder: Path) -> dict[str, TensorFile]:
    index = read_json_object(folder / INDEX).get("weight_map")
    if not isinstance(index, dict) or not index:
        raise DamagedCheckpointError(folder / INDEX, "it has no weight_map")
    shards = set(map(str, index.values()))
    for shard in sorted(shards):
        if not SHARD.fullmatch(shard) or len(shards) > MOST_SHARDS:
            raise DamagedCheckpointError(folder / INDEX, f"it names {shard!r:.80}, which is no file beside it")
    found: dict[str, TensorFile] = {}
    for shard in sorted(shards):
        for name, file in _header(folder / shard).items():
            if index.get(name) != shard:
                raise DamagedCheckpointError(folder / INDEX, f"it does not say that {name!r:.80} is in {shard}")
            found[name] = file
    if lacking := index.keys() - found.keys():
        raise DamagedCheckpointError(folder / INDEX, f"it names {sorted(lacking)[0]!r:.80}, which no file has")
    return found


def _header(path: Path) -> dict[str, TensorFile]:
    try:
        require_regular(path)
        with safetensors.safe_open(path, framework="pt") as opened:
            found = {}
            for name in opened.keys():  # noqa: SIM118 (it is no dictionary)
                about = opened.get_slice(name)
                if about.get_dtype() not in FORMATS:
                    raise DamagedCheckpointError(
                        path, f"{name!r:.80} holds {about.get_dtype()}, which is not read here"
                    )
                found[name] = TensorFile(path, name, tuple(about.get_shape()))
            return found
    except FileNotFoundError:
        raise DamagedCheckpointError(path, "it is missing, and the index names it") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise DamagedCheckpointError(path, f"it cannot be read as safetensors ({error})") from None
