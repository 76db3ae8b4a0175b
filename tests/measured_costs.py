"""What a built model really holds, for closed forms to be compared with."""

import torch
from torch import nn

from llm.config import ModelConfig
from llm.model import Transformer


def kept_for_backward(config: ModelConfig, batch_size: int) -> int:
    """Bytes that autograd really saves in a forward pass and its loss, each storage once, without the weights."""
    model = Transformer(config)
    tokens = torch.randint(config.d_vocab, (batch_size, config.n_ctx))
    targets = torch.randint(config.d_vocab, (batch_size, config.n_ctx))
    own = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    storages: dict[int, torch.UntypedStorage] = {}  # holding them keeps their addresses from being used again

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        nn.functional.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
    return sum(storage.nbytes() for storage in storages.values())
