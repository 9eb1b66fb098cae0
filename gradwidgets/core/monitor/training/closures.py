"""Optimizers whose step takes a closure compute the gradient within the step."""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import is_dense


class ClosureCalls:
    """Counts the calls of a closure behind the first one of a step, and those before which no gradient was taken away.

    One that is filled with zeros is written to once more than there are passes, and one that is let go is another one.
    """

    def __init__(self) -> None:
        self.of = self.added = 0
        self._passes = 1  # of a call
        self._parameter: Tensor | None = None
        self._parameters: Sequence[Owned] = ()
        self._before: tuple[TensorWeakRef, int] | None = None

    def watch(self, owned: Sequence[Owned]) -> None:
        """Look at the first of these, from the next call on."""
        self._parameters = owned

    def begins(self) -> None:
        """A call is about to come."""
        some = (one.parameter for one in self._parameters if one.plain and one.parameter.requires_grad)
        parameter = next(some, None)
        there = parameter is not None and is_dense(parameter)
        self._parameter = parameter
        self._before = (TensorWeakRef(parameter.grad), parameter.grad._version) if there else None

    def ended(self, first: bool) -> None:
        """It is over; `first` says whether it was the first one of its step."""
        parameter, before = self._parameter, self._before
        self._parameter = self._before = None
        if parameter is None or not is_dense(parameter):
            return
        if before is None:
            self._passes = parameter.grad._version + 1
        elif not first:
            self.of += 1
            self.added += parameter.grad is before[0]() and parameter.grad._version == before[1] + self._passes

    @property
    def told(self) -> dict[str, int]:
        """At how many calls ("of") gradients were "added" to those of the call before; empty where they never were."""
        return {"of": self.of, "added": self.added} if self.added else {}


class WatchedCalls:
    """A closure that tells somebody when its first call is over: the gradient is there, nothing has moved yet.

    Args:
        closure: What the user gave to the optimizer's step.
        tell: Called once, with `optimizer`.
        optimizer: The one that steps.
        begins: Called before each call.
        ended: Called after it, with whether it was the first.
    """

    def __init__(self, closure: Callable, tell: Callable, optimizer: object, begins: Callable, ended: Callable) -> None:
        self._closure, self._tell, self._optimizer = closure, tell, optimizer
        self._begins, self._ended = begins, ended

    def __call__(self, *args: object, **kwargs: object) -> object:
        """The closure's own result."""
        self._begins()
        result = self._closure(*args, **kwargs)
        tell, self._tell = self._tell, None
        self._ended(tell is not None)
        if tell is not None:
            tell(self._optimizer)
        return result
