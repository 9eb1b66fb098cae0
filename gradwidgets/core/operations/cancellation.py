"""Differences of nearly equal numbers, of which little but rounding is left."""

import contextlib

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching

_BESIDE = (1e-4, 1e-6, 1e-8)  # of the view: how far away on both sides
_CANCELLED = 1e-10  # of the larger number: a smaller difference has hardly six correct digits
_OF_DISTANCE = 1e-2  # of the distance to the point, relative to the point: a difference from the point itself is larger
_DIFFERENCES = ("sub", "add", "rsub")
_BESIDE_ROOT = 1e-3  # of the view: how far beside the point a square must be above 0


def rounded_there(function: LossFunction, point: Tensor, spans: Tensor) -> bool:
    """Whether a loss cancels on both sides of a point, more than the distance from the point explains.

    Args:
        function: The loss.
        point: (P,).
        spans: The widths of the view, (P,).
    """
    for far in _BESIDE:
        allowed = min(_CANCELLED, _OF_DISTANCE * float((far * spans / point.abs().clamp_min(1e-300)).max()))
        sides = [_differences(function, point + side * far * spans) for side in (-1, 1)]
        little = [side.least <= allowed for side in sides]
        if any(little) and all(some or side.nothing for some, side in zip(little, sides, strict=True)):
            return True
    return False


def root_of_squares(function: LossFunction, point: Tensor, spans: Tensor) -> bool:
    """Whether a root at a point, (P,), is of a square multiplied out: a difference that is 0 there and above 0 beside.

    The difference c² − x² is below 0 beside its zero, and only one part of it has a parameter: the loss ends there.
    """
    here, beside = _roots(function, point), []
    for way in torch.eye(len(point), dtype=torch.float64) * spans * _BESIDE_ROOT:
        beside += [_roots(function, point + side * way) for side in (-1, 1)]
    for k, (given, size) in enumerate(here):
        if bool((given.abs() <= _CANCELLED * size).any()) and bool((size > 0).any()):
            near = [log[k] for log in beside if len(log) == len(here)]
            return bool(near) and all(bool((one >= -_CANCELLED * far).all()) for one, far in near)
    return False


def _roots(function: LossFunction, point: Tensor) -> list[tuple[Tensor, Tensor]]:
    watch = _Roots()
    with contextlib.suppress(Exception):
        function.run_at(point, torch.float64, watch)
    return watch.found


def _differences(function: LossFunction, point: Tensor) -> "_Differences":
    watch = _Differences()
    with contextlib.suppress(Exception):
        function.run_at(point, torch.float64, watch)
    return watch


class _Differences(Watching):
    """Notes how small differences are, relative to the larger of their two numbers.

    Attributes:
        least: The smallest difference above 0, relative to the larger number; 1 for none.
        nothing: Whether a difference is 0.
    """

    keeps = False

    def __init__(self) -> None:
        super().__init__()
        self.least, self.nothing = 1.0, False

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        result = func(*args, **kwargs)
        if name in _DIFFERENCES and isinstance(result, Tensor) and result.dtype == torch.float64:
            sizes = [torch.as_tensor(part, dtype=torch.float64).abs() for part in args[:2]]
            share = result.abs() / torch.maximum(*sizes)
            some = share[(share > 0) & share.isfinite()]
            self.nothing |= bool((share == 0).any())
            self.least = min(self.least, float(some.min())) if some.numel() else self.least
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: differences are taken in the forward pass."""


class _Roots(Watching):
    """Notes, for roots of differences whose two parts both depend on the parameters, the input and the parts' size."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Tensor, Tensor]] = []
        self._sizes: dict[int, Tensor] = {}  # address of a difference → the size of its larger part

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        result = func(*args, **kwargs)
        parts = [part for part in args[:2] if isinstance(part, Tensor) and part.requires_grad]
        if self.node or not isinstance(result, Tensor):
            return result
        if name in _DIFFERENCES and len(parts) == 2:
            self._sizes[result.data_ptr()] = torch.maximum(*(part.detach().abs() for part in parts))
        elif name == "sqrt" and args[0].data_ptr() in self._sizes:
            self.found.append((args[0].detach().clone(), self._sizes[args[0].data_ptr()]))
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: differences are taken in the forward pass."""
