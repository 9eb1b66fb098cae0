"""Gradients that are thrown away, or clipped, between the losses of one step, where they should have been added up."""

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.taps import Hook, take_away

_STEPS = 96  # that are looked at
_SOME = 64  # numbers of a gradient
_ALONG = 0.999  # cosine of a gradient that was scaled since, and of itself
_LEAST, _SHORTER = 1e-6, 0.999  # times what it was, after a clip that is reached
_DIGITS = 4  # times what rounding leaves
_EVENLY = 3  # times at equal distances, or at whole multiples of one
_PLACES = 64  # passes of a step that are told apart


class Thrown:
    """Sees, where several losses are noted a step, what is there of one's gradient when the next one's is added to it.

    It is gone where there is none any more, or zeros in its place, and has been clipped where it is shorter. One whose
    weights were written to meanwhile has been used, and so has one that another optimizer has stepped by; and where the
    gradient at the step is not what the last pass left, clipped or not, something else is made of them.

    Attributes:
        handles: Of the two hooks at one parameter, which stand from the first step with several losses on.
    """

    def __init__(self) -> None:
        self.handles: list = []
        self._of = 0
        self._lost: Counter = Counter()  # steps, by passes and by how many of them are left
        self._factors: dict[int, list[float]] = {}  # the smallest and the largest, by the pass behind which they come
        self._cut = self._cuts = 0
        self._all, self._cleared = 0, []  # passes; before which of them so many were cleared, as (pass, passes)
        self.forget()

    def forget(self) -> None:
        """Let go of the weights."""
        take_away(self.handles)
        self._parameter: nn.Parameter | None = None
        self._notes, self._whole = 0, False
        self._begin()

    def _begin(self) -> None:
        self._passes = self._left = self._now = 0
        self._unused: list[tuple[int, int]] = []
        self._last: tuple[TensorWeakRef, int, Tensor] | None = None
        self._weights: tuple[int, Tensor] | None = None

    def noted(self, owned: Sequence[Owned]) -> None:
        """A loss was noted."""
        self._notes += 1
        if self._notes < 2 or self.handles or self._of >= _STEPS:
            return  # most loops note one loss a step
        parameter = next((one.parameter for one in owned if one.plain and is_dense(one.parameter)), None)
        if parameter is not None and parameter.requires_grad:
            self._parameter = parameter
            self.handles.append(parameter.register_hook(Hook(self._comes)))
            self.handles.append(parameter.register_post_accumulate_grad_hook(Hook(self._added)))

    def used(self) -> None:
        """Another optimizer steps: what is there was for that."""
        self._begin()

    def step(self) -> None:
        """A step is about to come."""
        notes, self._notes = self._notes, 0
        if self._passes and self._whole:
            self._of += 1
            # What is passed backward and not noted is for something else.
            if notes >= self._passes and self._is_of_the_last():
                self._lost[self._passes, self._left] += 1
                self._cleared += self._unused
                self._cut, self._cuts = self._cut + (self._now > 0), self._cuts + self._now
        if self._of >= _STEPS:
            take_away(self.handles)
        self._whole = bool(self.handles)  # of the step at which they were put there, passes may have been missed
        self._begin()

    def _comes(self, _: Tensor) -> None:
        """A pass backward is about to be added to what is there."""
        with contextlib.suppress(Exception):  # it stands within the training's own pass
            self._look()

    def _look(self) -> None:
        gradient, last = self._parameter.grad, self._last
        if last is not None and self._is_gone(gradient):
            self._unused.append((self._all, self._left))
            self._left = 0
            if not self._are_as_they_were():
                self._passes, self._unused = 0, []
        elif self._whole and last is not None and gradient._version != last[1]:
            self._now += self._is_clipped(gradient, last[2])
        self._passes, self._left, self._all = self._passes + 1, self._left + 1, self._all + 1

    def _added(self, parameter: Tensor) -> None:
        with contextlib.suppress(Exception):
            self._keep(parameter, parameter.grad)

    def _keep(self, parameter: nn.Parameter, gradient: Tensor) -> None:
        self._last = TensorWeakRef(gradient), gradient._version, some_of(gradient)
        self._weights = parameter._version, some_of(parameter)

    def _is_gone(self, gradient: Tensor | None) -> bool:
        ref, version, before = self._last
        if gradient is None:
            return True
        written = ref() is not gradient or gradient._version != version
        return written and not bool(some_of(gradient).any()) and bool(before.any())

    def _are_as_they_were(self) -> bool:
        version, before = self._weights
        return version == self._parameter._version and torch.equal(before, some_of(self._parameter))

    def _is_clipped(self, gradient: Tensor, before: Tensor) -> bool:
        times = times_shorter(before, some_of(gradient))
        if not times or self._passes > _PLACES:
            return False
        low, high = self._factors.get(self._passes, (times, times))
        self._factors[self._passes] = [min(low, times), max(high, times)]
        return True

    def _is_of_the_last(self) -> bool:
        gradient = self._parameter.grad
        if gradient is None:
            return False
        ref, version, before = self._last
        same = ref() is gradient and gradient._version == version
        return same or bool(F.cosine_similarity(before, some_of(gradient), 0) > _ALONG)

    @property
    def told(self) -> dict[str, object]:
        """What became of gradients between the passes of a step.

        Returns:
            At how many "steps" "of" those looked at some were thrown away; at the most frequent kind of these, which
            are as many as "alike", how many "passes" there were, and how many were "left". At how many steps what was
            there was clipped ("cut") before the last pass, how often in all ("cuts"), and whether by factors that are
            "various". Under "cleared" how many "losses" were taken away unused, of how many ("passes"), and every how
            many passes that is so, where it comes at equal distances ("each"; else 0). Empty where nothing was so.
        """
        lost = {key: count for key, count in self._lost.items() if key[1] < key[0]}
        if not lost and not self._cut:
            return {}
        (passes, left), alike = max((lost or self._lost).items(), key=lambda one: one[1])
        told = {"of": self._of, "steps": sum(lost.values()), "alike": alike, "passes": passes, "left": left}
        various = any(high > (2 - _SHORTER) * low for low, high in self._factors.values())
        return told | {"cut": self._cut, "cuts": self._cuts, "various": int(various), "cleared": self._told_of_cleared}

    @property
    def _told_of_cleared(self) -> dict[str, int]:
        apart = [later - earlier for (earlier, _), (later, _) in pairwise(self._cleared)]
        each = min(apart, default=0)
        even = len(apart) + 1 >= _EVENLY and all(one % each == 0 for one in apart)
        lost = sum(passes for _, passes in self._cleared)
        return {"losses": lost, "passes": self._all, "each": each if even else 0}


def is_dense(parameter: nn.Parameter) -> bool:
    """Whether it has a gradient whose numbers can be read one by one."""
    gradient = parameter.grad
    return type(gradient) is Tensor and gradient.layout == torch.strided


def some_of(tensor: Tensor) -> Tensor:
    """A few of its numbers, copied."""
    apart = -(-tensor.numel() // _SOME) | 1  # odd, or they may all lie in a few columns
    return tensor.detach().reshape(-1)[::apart].clone()


def times_shorter(before: Tensor, now: Tensor) -> float:
    """The factor by which all of these numbers have become smaller, as by a clip, to the last digits; 0 for none."""
    was, is_now = before.double(), now.double()
    square = float(was @ was)
    times = float(is_now @ was) / square if square > 0 else math.nan
    off = float(torch.linalg.vector_norm(is_now - times * was)) / math.sqrt(square) if square > 0 else math.inf
    shorter = _LEAST < times < _SHORTER and off <= _DIGITS * torch.finfo(before.dtype).eps * times
    return times if shorter else 0.0
