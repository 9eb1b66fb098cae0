"""Which module ran which operation: the calls of one pass, recorded with autograd's numbers of operations."""

import bisect

from torch import nn
from torch._C._autograd import _get_sequence_nr

next_number = _get_sequence_nr  # returns the number of the operation that autograd records next on this thread


class Call:
    """One call of one module.

    Attributes:
        name: The module's name.
        module: The module.
        inner: Whether the call ran other modules.
    """

    __slots__ = ("inner", "module", "name")

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name, self.module, self.inner = name, module, False


class Calls:
    """The calls of a forward pass, in the order in which they began.

    Autograd numbers the operations that it records, separately on each thread. The number at the begin and the end of
    each call tells later which call recorded an operation of the graph, whatever the module returned.
    """

    def __init__(self) -> None:
        self._stack: list[Call] = []
        # From operation number `_at[i]` on, the innermost call is `_who[i]`.
        self._at: list[int] = []
        self._who: list[Call | None] = []

    def begin(self, name: str, module: nn.Module) -> None:
        """Record that a module begins to run."""
        if self._stack:
            self._stack[-1].inner = True
        call = Call(name, module)
        self._stack.append(call)
        self._mark(call)

    def end(self, module: nn.Module) -> None:
        """Record that a module has run; calls inside that never ended (after a caught exception) end with it."""
        while self._stack and self._stack.pop().module is not module:
            pass
        self._mark(self._stack[-1] if self._stack else None)

    def of(self, number: int) -> Call | None:
        """Return the innermost call that recorded the operation of this number; None outside of the model."""
        place = bisect.bisect_right(self._at, number) - 1
        return self._who[place] if place >= 0 else None

    def _mark(self, call: Call | None) -> None:
        number = next_number()
        if self._at and self._at[-1] == number:
            self._who[-1] = call
        else:
            self._at.append(number)
            self._who.append(call)
