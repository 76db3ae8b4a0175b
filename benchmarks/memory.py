"""The memory that training takes, estimated and measured, for presets, batch sizes, implementations and optimizers.

    uv run python benchmarks/memory.py [--steps 6] [--only llama] [--trim]

Each row is a separate process, which first trains a tiny model, so that libraries are loaded. Measured: the most
resident memory (VmHWM) of a later training step with its evaluation and snapshot, less what was resident before the
model was built. `tensors` is the estimate of what exists at once, `resident` that of what the process takes.

Freed memory is not free for everything: blocks below 32 MB stay with the process, and a hole fits only what is smaller.
With --trim every block above 256 kB goes back at once (`llm/runtime/allocator.py` with other numbers), which is slower
and shows what exists. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
from pathlib import Path

from llm.config import ModelConfig, TrainingConfig
from llm.costs import Memory, memory
from llm.presets import preset

ROWS = """
gpt   small  16 fused  muon  float32  65
gpt   small  16 fused  muon  bfloat16 65
gpt   small  16 fused  muon  float32  2048
gpt   small  16 fused  muon  bfloat16 2048
llama small  16 fused  muon  float32  2048
llama small  16 fused  muon  bfloat16 2048
olmo  small  16 fused  adamw float32  2048
olmo  small  16 fused  adamw bfloat16 2048
gpt   small  16 torch  muon  float32  2048
llama small  16 einops muon  float32  2048
gpt   medium 4  fused  adamw float32  2048
gpt   medium 8  fused  muon  float32  2048
llama medium 4  fused  muon  bfloat16 2048
gpt   full   1  fused  adamw float32  2048
olmo  medium 4  fused  muon  float32  2048
olmo  medium 2  fused  adamw bfloat16 2048
llama medium 4  fused  adamw float32  65
llama small  64 fused  adamw float32  2048
gpt   small  64 fused  muon  bfloat16 65
llama small  8  fused  adamw float32  300  1
llama small  8  fused  adamw float32  300  6
gpt   small  16 fused  muon  float32  65   1
gpt   small  16 fused  muon  bfloat16 65   6
olmo  small  16 fused  muon  bfloat16 2048 1
llama small  32 fused  muon  float32  1024 1
gpt   small  1  fused  adamw float32  1024 1
llama small  4  torch  muon  float32  512  1
"""


def model_config(row: list[str]) -> ModelConfig:
    """The model of one row: its preset, with another number of blocks if the row has one at its end."""
    layers = {"n_layers": int(row[7])} if len(row) == 8 else {}
    return preset(row[0], row[1], d_vocab=int(row[6]), **layers)


def estimate(row: list[str]) -> Memory:
    """The estimate for one row."""
    _, _, batch_size, implementation, optimizer, precision = row[:6]
    training = TrainingConfig(batch_size=int(batch_size), optimizer=optimizer)
    return memory(model_config(row), training, implementation, precision)  # type: ignore[arg-type]


def measure(row: list[str], steps: int, trim: bool) -> int:
    """The most bytes that training takes in this process, beyond what it had before."""
    from llm.runtime import allocator, compute

    if trim:
        allocator.IN_HEAP, allocator.HEAP_KEEPS = 2**18, 0
    tiny = preset("gpt", "small", d_vocab=30, d_model=16, n_heads=1, n_ctx=8)
    compute.run(_train, tiny, ["1", *row[3:6]], 2)
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again
    compute.run(_train, model_config(row), row[2:6], steps)
    return _status("VmHWM") - before


def _train(config: ModelConfig, settings: list[str], steps: int) -> None:
    import torch

    from llm.data import TextData
    from llm.data.passages import Passages
    from llm.model import Transformer
    from llm.runs.folder import RunFolder
    from llm.tokenizers.char import CharTokenizer
    from llm.training.trainer import Trainer

    batch_size, implementation, optimizer, precision = settings
    training = TrainingConfig(batch_size=int(batch_size), optimizer=optimizer, precision=precision, steps=steps,  # type: ignore[arg-type]
                              eval_every=2, sample_tokens=0, skill_pairs=0, device="cpu", max_disk_mb=1)  # fmt: skip
    tokenizer = CharTokenizer.train("".join(chr(0x4E00 + number) for number in range(config.d_vocab)))
    tokens = torch.arange(config.n_ctx * 40, dtype=torch.int32) % config.d_vocab
    data = TextData(tokens, Passages.from_text(tokenizer.decode(tokens.tolist()), tokenizer), config.n_ctx)
    with tempfile.TemporaryDirectory() as temporary:
        folder = RunFolder.create(temporary, {}, tokenizer, "text")
        for _ in Trainer(Transformer(config, implementation), tokenizer, data, training, folder):  # type: ignore[arg-type]
            pass


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """Measure every row in a separate process and print the table; in such a process, measure its row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--only", default="", help="rows that contain this text")
    parser.add_argument("--trim", action="store_true")
    parser.add_argument("--row", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(measure(arguments.row, arguments.steps, arguments.trim))
        return
    print(f"{'MB':52} tensors resident measured")
    for line in ROWS.strip().splitlines():
        row = line.split()
        if arguments.only not in line:
            continue
        command = [sys.executable, __file__, *sys.argv[1:], "--row", *row]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        needed, measured = estimate(row), int(ran.stdout)
        expected = needed.total + needed.kernels if arguments.trim else needed.resident
        print(f"{' '.join(row):52} {needed.total / 1e6:7.0f} {needed.resident / 1e6:8.0f} {measured / 1e6:8.0f} "
              f"{expected / measured - 1:+6.0%}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
