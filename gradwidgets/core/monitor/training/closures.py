"""The calls of a closure, in which an optimizer's step computes the gradient."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.taps import Hook
from gradwidgets.core.monitor.training.thrown import dense_gradient


class ClosureCalls:
    """Counts the calls of a closure after the first one of a step, and those before which no gradient was cleared.

    A gradient that is filled with zeros is written to once more than there are passes, and after one that was set to
    None there is a new tensor.

    Attributes:
        of: How many calls after the first one of a step there were.
        added: At how many of them the gradient was added to that of the call before.
    """

    def __init__(self) -> None:
        self.of = self.added = 0
        self._passes = 1  # backward passes in a call
        self._parameter: Tensor | None = None
        self._parameters: Sequence[Owned] = ()
        self._before: tuple[TensorWeakRef, int] | None = None

    def watch(self, owned: Sequence[Owned]) -> None:
        """Watch the first of these parameters that requires a gradient, from the next call on."""
        self._parameters = owned

    def begins(self) -> None:
        """Keep the gradient's version before a call."""
        some = (one.parameter for one in self._parameters if one.plain and one.parameter.requires_grad)
        self._parameter = next(some, None)
        gradient = None if self._parameter is None else dense_gradient(self._parameter)
        self._before = None if gradient is None else (TensorWeakRef(gradient), gradient._version)

    def ended(self, first: bool) -> None:
        """Compare the gradient after a call; `first` says whether it was the first one of its step."""
        parameter, before = self._parameter, self._before
        self._parameter = self._before = None
        gradient = None if parameter is None else dense_gradient(parameter)
        if gradient is None:
            return
        if before is None:
            self._passes = gradient._version + 1
        elif not first:
            self.of += 1
            self.added += gradient is before[0]() and gradient._version == before[1] + self._passes

    @property
    def told(self) -> dict[str, int]:
        """At how many calls ("of") gradients were "added" to those of the call before; empty where they never were."""
        return {"of": self.of, "added": self.added} if self.added else {}


class WatchedCalls:
    """A closure that calls `tell` after its first call, when the gradient is there and nothing has moved yet.

    Args:
        closure: The closure that the user gave to the optimizer's step.
        tell: Called once, with `optimizer`.
        optimizer: The optimizer that steps.
        begins: Called before each call.
        ended: Called after each call, with whether it was the first.
    """

    def __init__(
        self, closure: Callable[..., Any], tell: Hook, optimizer: torch.optim.Optimizer, begins: Hook, ended: Hook
    ) -> None:
        self._closure, self._optimizer = closure, optimizer
        self._tell: Hook | None = tell
        self._begins, self._ended = begins, ended

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Return the closure's own result."""
        self._begins()
        result = self._closure(*args, **kwargs)
        tell, self._tell = self._tell, None
        self._ended(tell is not None)
        if tell is not None:
            tell(self._optimizer)
        return result
