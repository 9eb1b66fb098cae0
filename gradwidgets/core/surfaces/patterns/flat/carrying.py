"""Which of several cuts on the way of a gradient carries the value: the one that has to go."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Args, Kwargs, floats_in
from gradwidgets.core.subject.mode import FunctionMode

_ROUNDING = frozenset(("round", "floor", "ceil", "trunc", "sign", "sgn", "heaviside"))
_TAKEN_OUT = {"numpy": "numpy", "tolist": "tolist", "item": "item", "float": "float()"}
_DETACHING = {"detach": "detach", "get": ".data"}
_REBUILDING = {"tensor": "torch.tensor(…)", "from_numpy": "numpy", "as_tensor": "torch.tensor(…)"}
_NUDGE = 1e-3  # of a number


def carrying(function: LossFunction, point: Tensor, axis: int, names: Iterable[str]) -> list[str]:
    """Which of some cuts, in words, must be undone for a gradient at a point, (P,); all where that is not to be seen.

    What makes an index, and what is detached in a straight-through form, carries none of the value's slope: with the
    others undone there is a gradient.

    Args:
        function: The loss.
        point: (P,).
        axis: Of which parameter.
        names: The cuts.
    """
    names = list(names)
    for name in names if len(names) > 1 else ():
        if name in _ROUNDING and _has_gradient(function, point, axis, _Through(name)):
            return [name]
    if len(names) > 1:
        own, taken = _value(function, point, _Nudged("")), [one for one in names if one in _CARRIES]
        found = [name for name in taken if _value(function, point, _Nudged(name)) != own]
        return found or names
    return names


_CARRIES = frozenset((*_TAKEN_OUT.values(), *_DETACHING.values(), *_REBUILDING.values()))


def _has_gradient(function: LossFunction, point: Tensor, axis: int, watch: "_Through") -> bool:
    try:
        function.run_at(point, function.dtype, watch)
    except Exception:
        return False
    return watch.gradients[axis] != 0


def _value(function: LossFunction, point: Tensor, watch: "_Nudged") -> float | None:
    try:
        function.run_at(point, function.dtype, watch)
    except Exception:
        return None
    return watch.value


class _Through(FunctionMode):
    """Passes the gradient through a rounding, as a straight-through form does.

    Args:
        name: Of the operation.

    Attributes:
        gradients: The loss's, a number for each parameter.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.gradients: list[float] = []
        self._name = name

    def __torch_function__(self, func: Any, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        through = getattr(func, "__name__", "").strip("_") == self._name and isinstance(result, Tensor)
        return result.detach() + args[0] - args[0].detach() if through and args[0].requires_grad else result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Take the gradient."""
        found = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else [None] * len(leaves)
        self.gradients = [0.0 if one is None else float(one.abs().sum()) for one in found]


class _Nudged(FunctionMode):
    """Runs a loss with what an operation takes out of it, or puts back, a little larger.

    Args:
        name: Of the operation, in words.

    Attributes:
        value: The loss.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.value: float | None = None
        self._name = name

    def __torch_function__(self, func: Any, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "").strip("_")
        said = {**_TAKEN_OUT, **_DETACHING, **_REBUILDING}.get(name, "")
        if not self._name or said != self._name or (said in _DETACHING.values() and not floats_in(args)):
            return result
        return _larger(result)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Take the value."""
        self.value = float(value.detach())


def _larger(value: Any) -> Any:
    """Numbers a little larger; what are none of real ones as they are."""
    if isinstance(value, list):
        return [_larger(one) for one in value]
    # A NumPy array tells its kind, which torch's dtype does not.
    if isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f" or _is_real(value):
        return value + _NUDGE * (1 + abs(value))
    return value


def _is_real(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
