"""Gradients that are thrown away, or clipped, between the losses of one step, where they should have been added up."""

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.taps import Hook, Removable, take_away

_STEPS = 96  # that are looked at
_SOME = 64  # numbers of a gradient
_ALONG = 0.999  # least cosine of a gradient with itself after it was scaled
_LEAST, _SHORTER = 1e-6, 0.999  # times its former length, after a clip that took effect
_DIGITS = 4  # times the error of rounding
_EVENLY = 3  # times at equal distances, or at multiples of one
_PLACES = 64  # passes of a step that are distinguished


class Thrown:
    """Checks, where several losses are noted per step, whether a gradient is still there when the next one is added.

    It is gone where there is none any more, or zeros in its place, and was clipped where it is shorter. If the weights
    were written to meanwhile, it has been used, and likewise if another optimizer has stepped by it. If the gradient at
    the step is not what the last pass left, clipped or not, the loop does something else with the gradients.

    Attributes:
        handles: The handles of the two hooks at one parameter, from the first step with several losses on.
    """

    def __init__(self) -> None:
        self.handles: list[Removable] = []
        self._of = 0
        self._lost: Counter[tuple[int, int]] = Counter()  # steps, by passes and by how many of them are left
        self._factors: dict[int, list[float]] = {}  # the smallest and the largest, by the pass after which they come
        self._cut = self._cuts = self._all = 0
        self._cleared: list[tuple[int, int]] = []  # before which pass of all how many were cleared unused
        self.forget()

    def forget(self) -> None:
        """Let go of the weights."""
        take_away(self.handles)
        self._notes, self._whole = 0, False
        self._begin()

    def _begin(self) -> None:
        self._passes = self._left = self._now = 0
        self._unused: list[tuple[int, int]] = []
        self._last: _Left | None = None

    def noted(self, owned: Sequence[Owned]) -> None:
        """Count a loss, and add the hooks at the second one of a step."""
        self._notes += 1
        if self._notes < 2 or self.handles or self._of >= _STEPS:
            return  # most loops note one loss per step
        parameter = next(
            (one.parameter for one in owned if one.plain and dense_gradient(one.parameter) is not None), None
        )
        if parameter is not None and parameter.requires_grad:
            self.handles.append(parameter.register_hook(Hook(self._comes)))
            self.handles.append(parameter.register_post_accumulate_grad_hook(Hook(self._added)))

    def used(self) -> None:
        """Start again, as another optimizer steps: the gradient was for that step."""
        self._begin()

    def step(self) -> None:
        """Count what happened to the gradients before a step."""
        notes, self._notes = self._notes, 0
        if self._passes and self._whole:
            self._of += 1
            # Backward passes without a noted loss are for something else.
            if notes >= self._passes and self._last is not None and self._last.is_used():
                self._lost[self._passes, self._left] += 1
                self._cleared += self._unused
                self._cut, self._cuts = self._cut + (self._now > 0), self._cuts + self._now
        if self._of >= _STEPS:
            take_away(self.handles)
        self._whole = bool(self.handles)  # passes of the step in which the hooks were added may have been missed
        self._begin()

    def _comes(self, _: Tensor) -> None:
        """Look at the gradient before a backward pass is added to it."""
        with contextlib.suppress(Exception):  # the hook runs within the training's own pass
            self._look()

    def _look(self) -> None:
        last = self._last
        if last is not None and last.is_gone():
            self._unused.append((self._all, self._left))
            self._left = 0
            if last.weights_moved():
                self._passes, self._unused = 0, []
        elif self._whole and last is not None and (gradient := last.rewritten()) is not None:
            self._now += self._is_clipped(gradient, last.numbers)
        self._passes, self._left, self._all = self._passes + 1, self._left + 1, self._all + 1

    def _added(self, parameter: Tensor) -> None:
        with contextlib.suppress(Exception):
            self._last = None if parameter.grad is None else _Left(parameter, parameter.grad)

    def _is_clipped(self, gradient: Tensor, before: Tensor) -> bool:
        times = times_shorter(before, some_of(gradient))
        if not times or self._passes > _PLACES:
            return False
        low, high = self._factors.get(self._passes, (times, times))
        self._factors[self._passes] = [min(low, times), max(high, times)]
        return True

    @property
    def told(self) -> dict[str, int]:
        """How gradients were cleared or clipped between the passes of a step.

        Returns:
            At how many "steps" "of" those looked at some were thrown away; for the most frequent case, which is that of
            "alike" steps, how many "passes" there were, and how many were "left". At how many steps the sum was clipped
            ("cut") before the last pass, how often in all ("cuts"), and whether by factors that are "various". Of how
            many losses the gradients were "cleared" unused, "among" how many, and every how many that happened, if at
            equal distances ("each"; else 0). Empty where nothing happened.
        """
        lost = {key: count for key, count in self._lost.items() if key[1] < key[0]}
        if not lost and not self._cut:
            return {}
        (passes, left), alike = max((lost or self._lost).items(), key=lambda one: one[1])
        told = {"of": self._of, "steps": sum(lost.values()), "alike": alike, "passes": passes, "left": left}
        various = any(high > (2 - _SHORTER) * low for low, high in self._factors.values())
        return told | {"cut": self._cut, "cuts": self._cuts, "various": int(various), **self._of_cleared}

    @property
    def _of_cleared(self) -> dict[str, int]:
        apart = [later - earlier for (earlier, _), (later, _) in pairwise(self._cleared)]
        each = min(apart, default=0)
        even = len(apart) + 1 >= _EVENLY and all(one % each == 0 for one in apart)
        return {
            "cleared": sum(passes for _, passes in self._cleared),
            "among": self._all,
            "each": each if even else 0,
        }


class _Left:
    """A gradient as a backward pass has left it, with a few of its numbers and of the weight's."""

    def __init__(self, parameter: Tensor, gradient: Tensor) -> None:
        self._parameter = parameter
        self._ref, self._version, self.numbers = TensorWeakRef(gradient), gradient._version, some_of(gradient)
        self._weight_version, self._weight = parameter._version, some_of(parameter)

    def _is_same(self, gradient: Tensor) -> bool:
        return self._ref() is gradient and gradient._version == self._version

    def is_gone(self) -> bool:
        """Whether there is no gradient any more, or zeros in its place."""
        gradient = self._parameter.grad
        if gradient is None:
            return True
        return not self._is_same(gradient) and not bool(some_of(gradient).any()) and bool(self.numbers.any())

    def rewritten(self) -> Tensor | None:
        """The present gradient, if it was written to since; None otherwise."""
        gradient = self._parameter.grad
        return None if gradient is None or gradient._version == self._version else gradient

    def weights_moved(self) -> bool:
        """Whether the weight was written to since."""
        version = self._parameter._version
        return version != self._weight_version or not torch.equal(self._weight, some_of(self._parameter))

    def is_used(self) -> bool:
        """Whether the present gradient is this one, or one along it."""
        gradient = self._parameter.grad
        if gradient is None:
            return False
        return self._is_same(gradient) or bool(F.cosine_similarity(self.numbers, some_of(gradient), 0) > _ALONG)


def dense_gradient(parameter: Tensor) -> Tensor | None:
    """A parameter's gradient, if it is dense and no subclass of Tensor, so that its numbers can be read."""
    gradient = parameter.grad
    return gradient if type(gradient) is Tensor and gradient.layout == torch.strided else None


def some_of(tensor: Tensor) -> Tensor:
    """A copy of a few of a tensor's numbers."""
    apart = -(-tensor.numel() // _SOME) | 1  # odd, or they could all be from a few columns
    return tensor.detach().reshape(-1)[::apart].clone()


def times_shorter(before: Tensor, now: Tensor) -> float:
    """The one factor by which all of these numbers have become smaller, as after a clip; 0 if there is none."""
    was, is_now = before.double(), now.double()
    square = float(was @ was)
    times = float(is_now @ was) / square if square > 0 else math.nan
    off = float(torch.linalg.vector_norm(is_now - times * was)) / math.sqrt(square) if square > 0 else math.inf
    shorter = _LEAST < times < _SHORTER and off <= _DIGITS * torch.finfo(before.dtype).eps * times
    return times if shorter else 0.0
