"""Hinge losses written by hand for labels 1 and −1 that get 0 and 1: samples of label 0 have no influence."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, TARGET, Again, Call
from gradwidgets.core.layers.preflight.losses.compared import RANGE
from gradwidgets.core.layers.preflight.reading import numbers
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent
from gradwidgets.core.subject.home import abroad

_BOUNDS = ("clamp", "clamp_min", "relu", "clip", "maximum", "max")
_FEWEST = 2  # samples of either label
_WAYS = 3  # other outputs that are tried


class Margins:
    """Finds a bound within a loss on a tensor that depends on output and targets.

    Args:
        output: The tensors of the model's output.
    """

    def __init__(self, output: Sequence[Tensor]) -> None:
        self._output = [one for one in output if one.is_floating_point() and one.requires_grad]
        self._name = ""

    def see(self, call: Call) -> None:
        """Check a call before it is made."""
        if call.name in _BOUNDS and call.role(call.tensors[0]) == OUTPUT | TARGET:
            self._name = call.name

    def findings(self, loss: Tensor, targets: object, again: Again | None) -> list[Finding]:
        """Report such a bound if the loss does not depend on the output for samples of label 0.

        Args:
            loss: The loss.
            targets: Its targets.
            again: Computes the loss again.
        """
        if not self._name or again is None or len(self._output) != 1 or not isinstance(targets, Tensor):
            return []
        values, out, value = numbers(targets), self._output[0], float(loss.detach())
        if values is None or targets.ndim == 0 or out.ndim == 0 or len(out) != len(targets) or not math.isfinite(value):
            return []
        off = (targets == 0).flatten(1).all(1) if targets.ndim > 1 else targets == 0
        on = (targets == 1).flatten(1).all(1) if targets.ndim > 1 else targets == 1
        if not bool((off | on).all()) or min(int(off.sum()), int(on.sum())) < _FEWEST:
            return []
        if any(one != value for one in _others(out, off, targets, again)):
            return []
        if all(one == value for one in _others(out, on, targets, again)):
            return []
        return [_told(self._name, float(off.double().mean()))]


def _others(out: Tensor, which: Tensor, targets: Tensor, again: Again) -> list[float]:
    """Return the loss for other outputs of some samples, which are put into the output meanwhile."""
    held, found = out.detach().clone(), []
    draw = torch.Generator().manual_seed(0)
    try:
        for way in range(_WAYS):
            noise = torch.randn(held[which].shape, generator=draw).to(held) * (1 + held.abs().max()) * 10**way
            out.data[which] = held[which] + noise
            with abroad():
                found.append(float(again(targets)))
    finally:
        out.data.copy_(held)
    return found


def _told(name: str, share: float) -> Finding:
    message = (
        f"{name.strip('_')} bounds a margin, which takes labels of 1 and −1, and these are 0 and 1: the loss asks "
        f"nothing of the {percent(share)} of samples whose label is 0, whatever the output says of them"
    )
    evidence = {"function": name, "share": share, "threshold": 0.0}
    return Finding(RANGE, "error", message, evidence, action="Map 0 to −1: 2 * targets − 1.")
