"""A model of the Hugging Face hub, downloaded into a folder: resumed after a break, only the files that are read."""

from __future__ import annotations

import re
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
FILES = ["config.json", "*.safetensors", "model.safetensors.index.json", "tokenizer.json", "tokenizer.model"]
MISSING = "A model of the hub needs the package huggingface_hub: uv sync --inexact --extra hf"


def is_hub_name(name: str) -> bool:
    """Whether this can be the name of a model on the hub, such as `EleutherAI/pythia-70m`."""
    return NAME.fullmatch(name) is not None


def download_model(name: str, models_dir: Path) -> Path:
    """The folder of a model, downloaded unless it is there; progress is printed. Called again, it goes on.

    Raises:
        ValueError: the package is missing, the hub cannot be reached, or it has no such model that may be downloaded.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError:
        raise ValueError(MISSING) from None
    folder = models_dir / name.replace("/", "--")
    try:
        huggingface_hub.snapshot_download(name, local_dir=folder, allow_patterns=FILES)
    except Exception as error:  # of the package, of its HTTP client, or of the system
        kind = type(error).__name__
        if kind in ("RepositoryNotFoundError", "GatedRepoError"):
            raise ValueError(f"The hub has no model {name} that may be downloaded without an account") from None
        raise ValueError(
            f"{name} is no file or folder here, and could not be downloaded from the hub ({kind}): check the name and "
            f"the connection. What has arrived is in {folder}, and the same command goes on from there"
        ) from None
    return folder
