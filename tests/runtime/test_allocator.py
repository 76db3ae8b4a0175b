import ctypes
import resource
import statistics
import sys
from pathlib import Path

import pytest
import torch

from llm.config import TrainingConfig
from llm.data import TextData
from llm.data.passages import Passages
from llm.model import Transformer
from llm.presets import preset
from llm.runtime.allocator import give_back_freed_memory, keep_freed_memory
from llm.tokenizers.char import CharTokenizer
from llm.training.trainer import Trainer

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc only"
)


def faults() -> int:
    """Pages that the system has handed to this process so far, at their first use."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_training_steps_use_freed_memory_again_until_it_is_given_back():
    keep_freed_memory()
    tokenizer = CharTokenizer.train("".join(chr(0x4E00 + number) for number in range(2048)))
    tokens = torch.arange(5000, dtype=torch.int32) % 2048
    config = preset("llama", d_vocab=2048, n_layers=1)
    data = TextData(tokens, Passages.from_text(tokenizer.decode(tokens.tolist()), tokenizer), config.n_ctx)
    trainer = Trainer(Transformer(config, "fused"), tokenizer, data, TrainingConfig(device="cpu"), evaluators=[])
    for _ in range(5):
        next(trainer)
    new_pages = []
    for _ in range(5):
        before = faults()
        next(trainer)
        new_pages.append(faults() - before)
    # 8,000 where freed memory goes back to the system; now and then a block fits no hole, and the heap grows by 4,000
    assert statistics.median(new_pages) < 800
    del trainer
    held = resident()
    give_back_freed_memory()
    assert held - resident() > 50e6
