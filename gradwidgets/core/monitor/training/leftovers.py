"""Gradients that another loss has left, and that an optimizer then steps by together with those of its own."""

import weakref
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import is_dense, some_of

_STEPS = 256  # of an optimizer, that are looked at
_MOST = 8  # optimizers
_TURNS = 1e-6  # below a cosine of 1: a clip in float32 leaves less, and the 256th pass that is added up more


class _Holder:
    """What is known of one optimizer: its name, one of its parameters, and that one's gradient at its last step."""

    def __init__(self, name: str, parameter: nn.Parameter) -> None:
        self.name, self.parameter = name, weakref.ref(parameter)
        self.of = self.times = 0
        self.own: tuple[TensorWeakRef, int] | None = None
        self.left: tuple[TensorWeakRef, int, Tensor] | None = None

    def other_steps(self) -> None:
        """Another optimizer is about to step: keep what this one's gradient is, if it is new since its own step."""
        parameter = self.parameter()
        if parameter is None or not is_dense(parameter) or parameter.dtype.itemsize < 4 or self.of >= _STEPS:
            return
        gradient = parameter.grad
        if self.own is not None and self.own[0]() is gradient and self.own[1] == gradient._version:
            return
        self.left = TensorWeakRef(gradient), gradient._version, some_of(gradient)

    def steps(self) -> None:
        """It is about to step itself: one pass has been added to what was there, and nothing taken away, or not."""
        parameter, left, self.left = self.parameter(), self.left, None
        if parameter is None or not is_dense(parameter):
            return
        gradient = parameter.grad
        if left is not None:
            self.of += 1
            added = left[0]() is gradient and gradient._version == left[1] + 1 and bool(left[2].any())
            self.times += added and _turns(left[2], some_of(gradient))
        self.own = TensorWeakRef(gradient), gradient._version


def _turns(before: Tensor, now: Tensor) -> bool:
    """Whether a gradient has another direction than before."""
    return bool(F.cosine_similarity(before.double(), now.double(), 0) < 1 - _TURNS)


class Leftover:
    """Follows all optimizers' steps.

    To fill the memory with zeros and to add a pass writes to it twice, and a clip leaves its direction: so one write
    that turns it is a pass that was added to what another loss had left.
    """

    def __init__(self) -> None:
        self._told: dict[str, object] = {}
        self.forget()

    def forget(self) -> None:
        """Let go of the optimizers."""
        self._holders: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def step(self, optimizer: object, held: Sequence[Owned]) -> None:
        """An optimizer is about to step, which holds these of the model's parameters, if any."""
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
                held = [one.name for one in held]
                self._told = {"name": own.name, "held": held, "steps": own.times, "of": own.of}

    @property
    def told(self) -> dict[str, object]:
        """Of whom it is most often so: its "name", what it "held", and at how many "steps" "of" how many."""
        return self._told
