"""One operation of autograd's graph, and where it stands."""

from typing import NamedTuple

from torch.autograd.graph import Node


class Operation(NamedTuple):
    """One operation that autograd recorded.

    Attributes:
        name: In torch's words, "native_layer_norm" say.
        node: The operation.
        place: The module that ran it.
        is_layer: Whether that module ran no other, so that the operation is its own.
    """

    name: str
    node: Node
    place: str
    is_layer: bool

    def __str__(self) -> str:
        """Where it is, in words."""
        return self.place if self.is_layer else f"{self.name.removeprefix('native_')} in {self.place}"
