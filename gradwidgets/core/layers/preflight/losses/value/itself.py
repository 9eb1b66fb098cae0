"""An output that is compared with itself: a teacher that is the student, so that their difference is 0 for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, Call
from gradwidgets.core.layers.preflight.losses.value.constant import leaves_behind
from gradwidgets.core.layers.preflight.losses.value.flat import MET
from gradwidgets.core.results.finding import Finding

_ACTION = (
    "Let the teacher be a module of its own: teacher = copy.deepcopy(student).requires_grad_(False), which follows as "
    "a mean over the steps or stays as it is; an assignment gives the same module another name, and no copy."
)


class Itself:
    """Watches a loss for a comparison of one part of the output with another that holds the same numbers.

    Args:
        names: The model's parameters' names, by id.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names, self._said = names, ""

    def see(self, call: Call) -> None:
        """Look at a comparison."""
        if self._said or len(call.tensors) < 2:
            return
        x, y = sorted(call.tensors[:2], key=lambda one: not one.requires_grad)
        if x.requires_grad and not y.requires_grad and call.role(x) == call.role(y) == OUTPUT and self._is_one(x, y):
            self._said = call.name.strip("_")

    def _is_one(self, x: Tensor, y: Tensor) -> bool:
        """Whether they are the same numbers, and the model has no parameters but those that made the first."""
        if x.shape != y.shape or x.numel() < 2 or not torch.equal(x.detach(), y):
            return False
        return bool(self._names) and set(self._names) <= leaves_behind([x])

    def told_in(self, found: Sequence[Finding]) -> list[Finding]:
        """The same findings, with why a loss is met where that is why."""
        if not self._said:
            return list(found)
        words = (
            f"; {self._said} compares the output with a detached copy of itself, made by the same parameters (the "
            "model has no others): its difference is 0 now and after every step"
        )
        return [
            replace(one, severity="warning", message=one.message + words, action=_ACTION) if one.name == MET else one
            for one in found
        ]
