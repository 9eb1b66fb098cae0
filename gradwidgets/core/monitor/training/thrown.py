"""Gradients that are thrown away between the losses of one step, where they should have been added up."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.owners import Owned

_STEPS = 256  # that are looked at
_SOME = 64  # numbers of a gradient
_TURNED = 0.9  # cosine of a gradient and of one that others were added to: of few it is larger
_ALONG = 0.999  # cosine of a gradient that was scaled since, and of itself


class Thrown:
    """Sees, where several losses are noted a step, whether the gradient of one is gone at the next.

    One whose weights were written to meanwhile has been used, by another optimizer or by a step of two parts; and where
    the gradient at the step is not that of the last loss, clipped or not, something else is made of them.

    Attributes:
        of: How many steps were looked at, the first 256 at most.
        steps: At how many of them it was so.
        gradients: How many gradients were thrown away at these.
    """

    def __init__(self) -> None:
        self.of = self.steps = self.gradients = 0
        self.forget()

    def forget(self) -> None:
        """Let go of the weights."""
        self._parameter: nn.Parameter | None = None
        self._in_place = False
        self._last: tuple[TensorWeakRef, int, Tensor | None, int] | None = None
        self._used: tuple[TensorWeakRef, int] | None = None
        self._now = 0

    def noted(self, owned: Sequence[Owned]) -> None:
        """A loss was noted."""
        if self.of >= _STEPS:
            return
        if self._parameter is None:
            self._parameter = next((one.parameter for one in owned if one.plain and is_dense(one.parameter)), None)
        gradient = None if self._parameter is None else self._parameter.grad
        if gradient is None or self._is_used(gradient):
            return
        last, written = self._last, self._parameter._version
        same = last is not None and last[1] == written
        self._now += same and last[0]() is not gradient
        # Filled with zeros it is written to twice; so it is where it is clipped, and goes on in its direction.
        twice = same and last[0]() is gradient and gradient._version == last[3] + 2
        some = some_of(gradient) if self._now or twice or self._in_place else None  # most loops note one loss a step
        if twice:
            self._in_place = True
            self._now += last[2] is not None and bool(F.cosine_similarity(last[2], some, 0) < _TURNED)
        self._last = TensorWeakRef(gradient), written, some, gradient._version

    def step(self) -> None:
        """A step is about to come."""
        if self.of >= _STEPS:
            return
        self.of += 1
        if self._now and self._is_of_the_last():
            self.steps, self.gradients = self.steps + 1, self.gradients + self._now
        self._last, self._now = None, 0
        gradient = None if self._parameter is None else self._parameter.grad
        self._used = None if gradient is None else (TensorWeakRef(gradient), gradient._version)

    def _is_used(self, gradient: Tensor) -> bool:
        """Whether it is what the last step went by, as it is for a loss that is noted behind that step."""
        if self._used is None or self._used[0]() is not gradient:
            return False
        # A clip behind the step writes once more; a pass backward does so too, but into zeros, which are another write.
        return gradient._version <= self._used[1] + 1 or not bool(gradient.any())

    def _is_of_the_last(self) -> bool:
        ref, _, before, version = self._last
        gradient = self._parameter.grad
        if gradient is None or ref() is not gradient:
            return False
        return gradient._version == version or bool(F.cosine_similarity(before, some_of(gradient), 0) > _ALONG)

    @property
    def told(self) -> dict[str, int]:
        """All three numbers; empty where it never was so."""
        return {"of": self.of, "steps": self.steps, "gradients": self.gradients} if self.steps else {}


def is_dense(parameter: nn.Parameter) -> bool:
    """Whether it has a gradient whose numbers can be read one by one."""
    gradient = parameter.grad
    return type(gradient) is Tensor and gradient.layout == torch.strided


def some_of(gradient: Tensor) -> Tensor:
    """A few of its numbers, copied."""
    apart = -(-gradient.numel() // _SOME) | 1  # odd, or they may all lie in a few columns
    return gradient.reshape(-1)[::apart].detach().clone()
