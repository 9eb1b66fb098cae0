"""Gradients that another loss has left, and that an optimizer adds to those of its own loss in a step."""

import weakref
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.facts import LeftoverFacts
from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import dense_gradient, some_of

_STEPS = 256  # of an optimizer, that are looked at
_MOST = 8  # optimizers
_TURNS = 1e-6  # below a cosine of 1: a clip in float32 changes it by less, and the 256th pass that is added by more


class _Holder:
    """One optimizer: its name, one of its parameters, and the gradient of that parameter at its last step."""

    def __init__(self, name: str, parameter: nn.Parameter) -> None:
        self.name, self.parameter = name, weakref.ref(parameter)
        self.of = self.times = 0
        self.own: tuple[TensorWeakRef, int] | None = None
        self.left: tuple[TensorWeakRef, int, Tensor] | None = None

    def other_steps(self) -> None:
        """Keep this optimizer's gradient before another one's step, if it is new since this one's own step."""
        parameter = self.parameter()
        if parameter is None or parameter.dtype.itemsize < 4 or self.of >= _STEPS:
            return
        gradient = dense_gradient(parameter)
        if gradient is None:
            return
        if self.own is not None and self.own[0]() is gradient and self.own[1] == gradient._version:
            return
        self.left = TensorWeakRef(gradient), gradient._version, some_of(gradient)

    def steps(self) -> None:
        """Check, before this optimizer's own step, whether one pass was added to what was there before."""
        parameter, left, self.left = self.parameter(), self.left, None
        gradient = None if parameter is None else dense_gradient(parameter)
        if gradient is None:
            return
        if left is not None:
            self.of += 1
            added = left[0]() is gradient and gradient._version == left[1] + 1 and bool(left[2].any())
            self.times += added and _turns(left[2], some_of(gradient))
        self.own = TensorWeakRef(gradient), gradient._version


def _turns(before: Tensor, now: Tensor) -> bool:
    """Whether a gradient has changed its direction."""
    return bool(F.cosine_similarity(before.double(), now.double(), 0) < 1 - _TURNS)


class Leftover:
    """Follows the steps of all optimizers, and finds those whose gradients another loss has left.

    Filling the gradient's memory with zeros and adding a pass writes to it twice, and a clip keeps its direction: so a
    single write that changes the direction is a pass that was added to what another loss had left.
    """

    def __init__(self) -> None:
        self._told: LeftoverFacts = {}
        self.forget()

    def forget(self) -> None:
        """Let go of the optimizers."""
        self._holders: weakref.WeakKeyDictionary[torch.optim.Optimizer, _Holder] = weakref.WeakKeyDictionary()

    def step(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned]) -> None:
        """Look at the gradients before a step of an optimizer, which holds these of the model's parameters."""
        first = next((one.parameter for one in held if one.plain), None)
        for other, holder in self._holders.items():
            if other is not optimizer and holder.parameter() is not first:
                holder.other_steps()
        own = self._holders.get(optimizer)
        if own is None and first is not None:
            if len(self._holders) >= _MOST:  # a loop may make one for each step
                del self._holders[next(iter(self._holders))]
            own = self._holders[optimizer] = _Holder(type(optimizer).__name__, first)
        if own is not None:
            own.steps()
            if own.times > self._told.get("steps", 0):
                names = [one.name for one in held]
                self._told = {"name": own.name, "held": names, "steps": own.times, "of": own.of}

    @property
    def told(self) -> LeftoverFacts:
        """The optimizer with most such steps: its "name", what it "held", and at how many "steps" "of" all of its."""
        return self._told
