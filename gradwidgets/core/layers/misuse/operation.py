"""One operation of autograd's graph, and the module that ran it."""

from typing import NamedTuple

from torch.autograd.graph import Node


class Operation(NamedTuple):
    """One operation that autograd recorded.

    Attributes:
        name: torch's name, "native_layer_norm" for example.
        node: The operation's node in autograd's graph.
        place: The module that ran it.
        is_layer: Whether that module ran no other module, so that the operation is the layer's own.
    """

    name: str
    node: Node
    place: str
    is_layer: bool

    def __str__(self) -> str:
        """Return the operation and its place in words."""
        return self.place if self.is_layer else f"{self.name.removeprefix('native_')} in {self.place}"
