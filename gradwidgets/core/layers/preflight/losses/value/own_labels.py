"""Labels that a loss computes from the output, while it does not use the targets."""

import math

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, Again, Call
from gradwidgets.core.layers.preflight.losses.compared import MOVING
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_OF_LABELS = ("cross_entropy", "nll_loss")
_ACTION = (
    "Hand it the targets, not what the output says already: it only grows surer of that, right or wrong. Nothing, if "
    "it is to learn from its own answers: then hand in None as the targets."
)


class OwnLabels:
    """Finds labels within a loss that depend on the output alone."""

    def __init__(self) -> None:
        self._name = ""

    def see(self, call: Call) -> None:
        """Check a call before it is made."""
        if call.name in _OF_LABELS and call.first is not None and call.second is not None:
            y = call.second
            self._name = call.name if call.role(y) == OUTPUT and not y.is_floating_point() else self._name

    def findings(self, loss: Tensor, targets: object, again: Again | None) -> list[Finding]:
        """Report such labels if the loss is the same for other targets.

        Args:
            loss: The loss.
            targets: Its targets.
            again: Computes the loss again.
        """
        if not self._name or again is None:
            return []
        other = pytree.tree_map(lambda one: one.flip(0) if isinstance(one, Tensor) and one.ndim else one, targets)
        if not _differ(targets, other):
            return []
        value = float(loss.detach())
        exchanged = float(again(other))
        if not math.isfinite(value) or exchanged != value:
            return []
        message = (
            f"{self._name} takes labels that are made of the output itself, and the loss does not use the targets: "
            f"with those of the samples exchanged it is {number(value)} as before"
        )
        evidence = {"function": self._name, "loss": value, "with others": exchanged, "threshold": 0.0}
        return [Finding(MOVING, "warning", message, evidence, action=_ACTION)]


def _differ(one: object, other: object) -> bool:
    pairs = zip(pytree.tree_leaves(one), pytree.tree_leaves(other), strict=True)
    return any(isinstance(a, Tensor) and not torch.equal(a, b) for a, b in pairs)
