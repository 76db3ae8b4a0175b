"""What a built model really holds, for closed forms to be compared with."""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.data import TextData
from llm.data.passages import Passages
from llm.layers.attention import set_attend
from llm.loss import next_token_loss
from llm.model import Transformer
from llm.runtime.device import attention_kernel, autocast
from llm.tokenizers.char import CharTokenizer
from llm.training.trainer import Trainer

CPU = torch.device("cpu")


def kept_for_backward(
    config: ModelConfig,
    batch_size: int,
    implementation: Implementation = "fused",
    precision: torch.dtype = torch.float32,
) -> int:
    """Bytes that autograd really saves in a forward pass and its loss, each storage once, without the weights."""
    model = Transformer(config, implementation)
    set_attend(model, attention_kernel(CPU, precision))
    return saved_bytes(model, torch.randint(config.d_vocab, (batch_size, config.n_ctx)), precision)


def saved_bytes(model: Transformer, tokens: torch.Tensor, precision: torch.dtype = torch.float32) -> int:
    """The same of this model, for these tokens."""
    targets = torch.randint(model.config.d_vocab, tokens.shape)
    own = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    storages: dict[int, torch.UntypedStorage] = {}  # holding them keeps their addresses from being used again

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), autocast(CPU, precision):
        next_token_loss(model(tokens), targets)
    return sum(storage.nbytes() for storage in storages.values())


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that exist, from the results of operators; `peak` is the most at once."""

    def __init__(self, existing: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()
        for tensor in existing:
            self._add(tensor)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self._add(value)
        self.peak = max(self.peak, self.now)
        return result

    def _add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:
            self._known.add(storage._cdata)
            self.now += storage.nbytes()
            weakref.finalize(storage, self._remove, storage._cdata, storage.nbytes())

    def _remove(self, key: int, size: int) -> None:
        self._known.remove(key)
        self.now -= size


def peak_of_a_step(config: ModelConfig, training: TrainingConfig, implementation: Implementation) -> int:
    """The most bytes that tensors take at once in a run's second step; what kernels use inside is not seen."""
    tokenizer = CharTokenizer.train("".join(map(chr, range(0x4E00, 0x4E00 + config.d_vocab))))
    tokens = torch.randint(config.d_vocab, (config.n_ctx * 4,), dtype=torch.int32)
    data = TextData(tokens, Passages.from_text(tokenizer.decode(tokens.tolist()), tokenizer), config.n_ctx)
    trainer = Trainer(Transformer(config, implementation), tokenizer, data, training, evaluators=[])
    next(trainer)  # from here on the optimizer has its state
    existing = [*trainer.model.parameters(), *trainer.model.buffers()]
    existing += [parameter.grad for parameter in trainer.model.parameters() if parameter.grad is not None]
    existing += [value for each in trainer.optimizers for state in each.state.values() for value in state.values()]
    with LiveBytes(existing) as live:
        next(trainer)
    return live.peak
