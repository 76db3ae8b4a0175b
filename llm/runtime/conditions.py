"""What the last bits of a computation depend on, beside code and input: device, number format, threads, versions.

Float addition is not associative. Another number of threads adds in another order, another processor has other vector
instructions, another version other kernels: each rounds differently, and training amplifies the difference. Where this
project says "bit for bit", it means under equal conditions.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

PACKAGES = {"llm": "llm-from-scratch", "numpy": "numpy", "safetensors": "safetensors", "sentencepiece": "sentencepiece"}
WITHOUT_EFFECT = {"interop_threads"}  # independent operations at once: each is computed as before


@dataclass(frozen=True)
class Conditions:
    """The conditions of this process, as config.json records them."""

    device: str  # cpu, cuda or mps
    accelerator: str | None  # the name of the GPU
    processor: str  # the name of the CPU
    capability: str  # the vector instructions that torch uses, such as AVX512
    system: str
    precision: str  # number format of the forward pass: float32, bfloat16 or float16
    threads: int  # that share one operation
    interop_threads: int  # that run operations side by side
    processes: int  # that each compute a part of a batch
    versions: dict[str, str]  # of Python, this library and the packages that it computes with


def current_conditions(device: torch.device, precision: torch.dtype, processes: int = 1) -> Conditions:
    """The conditions of a computation on this device, in the calling thread and as many processes."""
    return Conditions(
        device=device.type,
        accelerator=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        processor=str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or "unknown"),
        capability=torch.backends.cpu.get_cpu_capability(),
        system=f"{platform.system()} {platform.machine()}",
        precision=str(precision).removeprefix("torch."),
        threads=torch.get_num_threads(),
        interop_threads=torch.get_num_interop_threads(),
        processes=processes,
        versions=_versions(),
    )


def changed_conditions(before: dict[str, Any], after: dict[str, Any], word: str) -> list[str]:
    """Each condition that differs, such as "threads 1, then 2", where `word` is "then".

    Both hold `conditions` and `code`, as config.json does. They may come from a file, so their values can be anything;
    what one of them lacks is not compared.
    """
    old, new = _by_name(before), _by_name(after)
    return [f"{name} {old[name]}, {word} {new[name]}" for name in new if name in old and old[name] != new[name]]


def _by_name(recorded: dict[str, Any]) -> dict[str, str]:
    """Conditions, versions and the commit as short texts."""
    conditions, code = (part if isinstance(part := recorded.get(name), dict) else {} for name in ("conditions", "code"))
    versions = conditions.get("versions")
    named = {name: value for name, value in conditions.items() if name not in {"versions", *WITHOUT_EFFECT}}
    named |= versions if isinstance(versions, dict) else {}
    if "commit" in code:
        named["commit"] = f"{code['commit']!s:.12}{' with changes' if code.get('uncommitted_changes') else ''}"
    return {name: f"{value!s:.80}" for name, value in named.items()}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}  # with the build, such as +cpu
    for name, package in PACKAGES.items():
        try:
            versions[name] = version(package)
        except PackageNotFoundError:  # imported from a folder, without its metadata
            versions[name] = "unknown"
    return versions
