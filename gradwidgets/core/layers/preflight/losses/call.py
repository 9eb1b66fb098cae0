"""One call of a function of torch within a loss: what it is given, and by whom."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

OUTPUT, TARGET = 1, 2


@dataclass(frozen=True, eq=False)
class Call:
    """A call before it is made.

    Attributes:
        name: The function's.
        arguments: By position.
        keywords: By name.
        tensors: Those among them, in order.
        role: Of a tensor: whether it is made of the output, of the targets, of both (3) or of neither (0).
    """

    name: str
    arguments: tuple
    keywords: dict
    tensors: list[Tensor]
    role: Callable[[Tensor], int]

    def get(self, place: int, name: str, default: object = None) -> object:
        """An argument by place or name."""
        if len(self.arguments) > place:
            return self.arguments[place]
        return self.keywords.get(name, default)

    @property
    def first(self) -> Tensor | None:
        """The tensor that the function works on, if it is made of the model's output."""
        x = self.get(0, "input")
        return x if isinstance(x, Tensor) and self.role(x) & OUTPUT else None

    @property
    def second(self) -> Tensor | None:
        """What that is compared with."""
        y = self.get(1, "target")
        return y if isinstance(y, Tensor) else None

    @property
    def pair(self) -> tuple[Tensor, Tensor] | None:
        """Of two operands, the one made of the output alone and the one made of the targets alone, in this order."""
        if len(self.tensors) < 2:
            return None
        x, y = self.tensors[:2]
        roles = self.role(x), self.role(y)
        return (x, y) if roles == (OUTPUT, TARGET) else (y, x) if roles == (TARGET, OUTPUT) else None


def shape(tensor: Tensor) -> str:
    """A shape in a sentence."""
    return str(tuple(tensor.shape))
