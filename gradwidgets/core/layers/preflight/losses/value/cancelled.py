"""Differences and ratios of two equal tensors that both have a gradient: their slopes cancel out."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.value.constant import CONSTANT
from gradwidgets.core.layers.preflight.losses.value.terms import TERM
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.user_code import place_of_call

_MINUS = ("sub", "__sub__", "rsub", "__rsub__", "subtract")
_DIVIDES = ("div", "__truediv__", "true_divide", "divide")
_FEWEST = 2  # numbers
_ACTION = (
    "Detach the one that is to stay as it was: exp(new − old.detach()), the old one computed under torch.no_grad() "
    "before the first step."
)


class Cancelled:
    """Finds exponentials of a difference that is 0, and quotients of equal tensors, within a loss."""

    def __init__(self) -> None:
        self._differences: dict[int, Tensor] = {}
        self._place = ""

    def see(self, name: str, given: Sequence[Tensor], result: object) -> None:
        """Check a call that was made with tensors that depend on the output."""
        if self._place or not isinstance(result, Tensor):
            return
        if name in _MINUS and _are_one(given):
            self._differences[id(result)] = result
        elif (name in _DIVIDES and _are_one(given)) or (name == "exp" and id(given[0]) in self._differences):
            self._place = place_of_call() or "the loss"

    def told_in(self, found: Sequence[Finding]) -> list[Finding]:
        """Add the ratio to a finding of a constant loss as the cause, or report it separately."""
        if not self._place:
            return list(found)
        why = (
            f"the ratio ({self._place}) is taken of two that are the same and both made with a gradient: it is 1, and "
            "what comes back by one cancels out what comes back by the other"
        )
        if any(one.name == CONSTANT for one in found):
            said = [
                replace(one, message=f"{one.message}; {why}", action=_ACTION) for one in found if one.name == CONSTANT
            ]
            return [*said, *(one for one in found if one.name != CONSTANT)]
        message = f"a term of the loss trains nothing: {why}"
        return [*found, Finding(TERM, "warning", message, {"ratio": 1.0, "threshold": 0}, action=_ACTION)]


def _are_one(given: Sequence[Tensor]) -> bool:
    """Whether two tensors with a gradient have the same numbers, which are not all 0."""
    if len(given) != 2 or given[0].shape != given[1].shape or given[0].numel() < _FEWEST:
        return False
    x, y = given
    return x.requires_grad and y.requires_grad and torch.equal(x.detach(), y.detach()) and bool(x.detach().any())
