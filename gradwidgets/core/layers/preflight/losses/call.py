"""One call of a function of torch within a loss, and which arguments depend on the output and the targets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradwidgets.core.operations.watching import Args, Kwargs

OUTPUT, TARGET = 1, 2
# Computes the loss for other targets, from the current numbers of the output. A user's loss may return anything.
Again = Callable[[object], Any]


@dataclass(frozen=True, eq=False)
class Call:
    """A call before it is made.

    Attributes:
        name: The function's name.
        arguments: The positional arguments.
        keywords: The keyword arguments.
        tensors: The tensors among the arguments, in order.
        role: Returns whether a tensor depends on the `OUTPUT`, on the `TARGET`, on both (3) or on neither (0).
    """

    name: str
    arguments: Args
    keywords: Kwargs
    tensors: list[Tensor]
    role: Callable[[Tensor], int]

    def get(self, place: int, name: str, default: object = None) -> Any:
        """Return an argument by its position or name."""
        if len(self.arguments) > place:
            return self.arguments[place]
        return self.keywords.get(name, default)

    @property
    def first(self) -> Tensor | None:
        """The first argument, if it is a tensor that depends on the model's output; otherwise None."""
        x = self.get(0, "input")
        return x if isinstance(x, Tensor) and self.role(x) & OUTPUT else None

    @property
    def second(self) -> Tensor | None:
        """The second argument, if it is a tensor; otherwise None."""
        y = self.get(1, "target")
        return y if isinstance(y, Tensor) else None

    @property
    def pair(self) -> tuple[Tensor, Tensor] | None:
        """Two operands that depend on the output alone and on the targets alone, in this order; None for others."""
        if len(self.tensors) < 2:
            return None
        x, y = self.tensors[:2]
        roles = self.role(x), self.role(y)
        return (x, y) if roles == (OUTPUT, TARGET) else (y, x) if roles == (TARGET, OUTPUT) else None


def shape(tensor: Tensor) -> str:
    """Return a tensor's shape for a sentence."""
    return str(tuple(tensor.shape))
