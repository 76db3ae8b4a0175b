"""Where to compute, and in which number format."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from llm.config import Device, Precision, TrainingConfig


def choose_device(device: Device) -> torch.device:
    """The device of this name; auto: cuda, else mps, else cpu.

    Raises:
        ValueError: the device is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name in present if present[name]))
    if not present[device]:
        usable = " or ".join(["auto", *(name for name in present if present[name])])
        raise ValueError(f"device={device!r} is not possible: this machine offers torch no such device; use {usable}")
    return torch.device(device)


def has_bfloat16(device: torch.device) -> bool:
    """Whether this device has instructions for products of bfloat16 matrices, several times as fast as float32's.

    GPUs since NVIDIA's Ampere do; so do CPUs with AVX512-BF16 or AMX (Intel since Cooper Lake, AMD since Zen 4).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    abilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The forward pass's number format; auto: bfloat16 on a device that computes in it, else float32.

    Raises:
        ValueError: float16 anywhere but on a CUDA device. Its gradients underflow without a scaled loss, which is
            only done there, and CPUs have no fast arithmetic for it.
    """
    if precision == "auto":
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    if precision == "float16" and device.type != "cuda":
        raise ValueError(
            f"precision='float16' is not possible on {device.type}: it needs a CUDA GPU; use float32, bfloat16 or auto"
        )
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]


def resolved_precision(training: TrainingConfig) -> str:
    """The number format of the forward pass on this machine, where the config may say auto. Raises as choose_device."""
    return str(choose_precision(training.precision, choose_device(training.device))).removeprefix("torch.")


def use_exact_products() -> None:
    """Compute products of float32 matrices in float32, for this process.

    A script, or a variable that NVIDIA's containers set, can allow torch to round their factors to TF32 or bfloat16.
    """
    torch.set_float32_matmul_precision("highest")


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Matrix products in `dtype`, sums and norms in float32 (weights stay float32); nothing to do for float32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def attention_kernel(device: torch.device, dtype: torch.dtype) -> Callable[..., Tensor] | None:
    """The kernel of fused attention for this precision (`AttentionFused.attend`); None: its default.

    On a CPU the backward pass of attention is three times as fast in float32 as in bfloat16.
    """
    return attend_in_float32 if device.type == "cpu" and dtype == torch.bfloat16 else None


def attend_in_float32(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
    """scaled_dot_product_attention in float32; the result is in the number format of `value`."""
    with torch.autocast("cpu", enabled=False):  # autocast would make them bfloat16 again
        mixed = torch.nn.functional.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), **options
        )  # [batch, head, query_pos, d_head]
        return mixed.to(value.dtype)


def machine_memory() -> int | None:
    """Bytes of memory that this machine has; None where the system does not say (Windows)."""
    names = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    if not all(name in getattr(os, "sysconf_names", {}) for name in names):
        return None
    pages, page_size = map(os.sysconf, names)
    return pages * page_size


def require_compiler(device: torch.device) -> None:
    """Compile and run a small function. Raises ValueError, with the reason, if torch.compile cannot do that here."""
    try:
        if device.type == "cpu":
            _require_cpp_compiler()
        torch.compile(torch.neg)(torch.ones(8, device=device))
    except Exception as error:  # of another type for each thing that can be missing
        cause = getattr(error, "inner_exception", error)
        reason = next(iter(str(cause).splitlines()), "") or type(cause).__name__
        raise ValueError(
            f"compile=True is not possible on this machine: torch.compile failed ({reason:.200}). "
            "Install a C++ compiler, such as g++, or leave compile off"
        ) from None


def _require_cpp_compiler() -> None:
    """Raise FileNotFoundError if the compiler that torch.compile uses on a CPU is not there.

    torch itself says so too, but only after seconds of imports.
    """
    if "TORCH_INDUCTOR_INSTALL_GXX" in os.environ:
        return  # torch installs one
    windows = sys.platform == "win32"
    compiler = os.environ.get("CXX", "cl" if windows else "clang++" if sys.platform == "darwin" else "g++")
    command = [compiler] if windows else shlex.split(compiler)
    if not command or shutil.which(command[0]) is None:
        raise FileNotFoundError(f"there is no C++ compiler {compiler!r:.80}")
