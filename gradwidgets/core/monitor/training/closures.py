"""Optimizers whose step takes a closure compute the gradient within the step."""

from collections.abc import Callable


class FirstCall:
    """A closure that tells somebody when its first call is over: the gradient is there, nothing has moved yet.

    Args:
        closure: What the user gave to the optimizer's step.
        tell: Called once, with `optimizer`.
        optimizer: The one that steps.
    """

    def __init__(self, closure: Callable, tell: Callable, optimizer: object) -> None:
        self._closure, self._tell, self._optimizer = closure, tell, optimizer

    def __call__(self, *args: object, **kwargs: object) -> object:
        """The closure's own result."""
        result = self._closure(*args, **kwargs)
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(self._optimizer)
        return result
