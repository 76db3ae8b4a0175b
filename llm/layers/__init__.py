"""The layers of a model: one concept per file, its parameters once, its forward pass in three implementations."""


def kind_of(layer: type) -> str:
    """The class that owns a layer's parameters: the parent of its three implementations, or the class itself."""
    parent = layer.__mro__[1]
    return layer.__name__ if parent.__module__.startswith("torch.") else parent.__name__
