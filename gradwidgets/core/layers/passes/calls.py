"""Which module was at work when: the calls of one pass, told by autograd's own count of operations."""

import bisect
from collections.abc import Callable

import torch
from torch import nn


class Call:
    """One call of one module.

    Attributes:
        name: The module's name.
        module: The module.
        inner: Whether other modules ran inside.
    """

    __slots__ = ("inner", "module", "name")

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name, self.module, self.inner = name, module, False


class Calls:
    """The calls of a pass forward, in the order in which they began.

    Autograd numbers the operations that it records; noting the next number where a call begins and ends tells later,
    of any operation in the graph, which call recorded it, whatever the module put out. The numbers are a thread's own.
    """

    def __init__(self) -> None:
        self.count = _counter()
        self._stack: list[Call] = []
        # From number `_at[i]` on, the innermost call is `_who[i]`.
        self._at: list[int] = []
        self._who: list[Call | None] = []

    def begin(self, name: str, module: nn.Module) -> None:
        """A module begins to run."""
        if self._stack:
            self._stack[-1].inner = True
        call = Call(name, module)
        self._stack.append(call)
        self._mark(call)

    def end(self, module: nn.Module) -> None:
        """A module has run; what began inside and never ended (a forward that caught an exception) ends with it."""
        while self._stack and self._stack.pop().module is not module:
            pass
        self._mark(self._stack[-1] if self._stack else None)

    def of(self, number: int) -> Call | None:
        """The innermost call that recorded the operation of this number; None for one outside of the model."""
        place = bisect.bisect_right(self._at, number) - 1
        return self._who[place] if place >= 0 else None

    def _mark(self, call: Call | None) -> None:
        number = self.count()
        if self._at and self._at[-1] == number:
            self._who[-1] = call
        else:
            self._at.append(number)
            self._who.append(call)


def _counter() -> Callable[[], int]:
    """Gives the number of the next operation that autograd records on this thread."""
    number = getattr(torch.autograd, "_get_sequence_nr", None)
    if number is not None:
        return number
    one = torch.zeros((), requires_grad=True)
    return lambda: one.clone().grad_fn._sequence_nr() + 1
