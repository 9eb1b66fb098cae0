"""Sines and cosines of angles that go round more than once in view: degrees in place of radians."""

import math

from torch import Tensor

from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.look import Look

_TURNS = 1.2  # over the view of one parameter: more are too many for radians
_CIRCULAR = frozenset(("sin", "cos"))


class _Angles(FunctionMode):
    """Keeps the inputs of sines and cosines."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Tensor] = []

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        if getattr(func, "__name__", "").strip("_") in _CIRCULAR and isinstance(args[0], Tensor):
            self.taken.append(args[0].detach().double().clone())
        return func(*args, **(kwargs or {}))

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: sines are taken in the forward pass."""


def in_degrees(look: Look) -> str:
    """What to do about sines of a parameter that goes round more than once over its view; "" if none does."""
    if not look.known:
        return ""
    turns = {name: _turns(look, axis) for axis, name in enumerate(look.names)}
    found = {name: turn for name, turn in turns.items() if turn >= _TURNS}
    if not found:
        return ""
    said = " and ".join(f"{number(turn, 2)} turns over the view of {name}" for name, turn in found.items())
    cures = " and ".join(f"torch.deg2rad({name})" for name in found)
    return f"sin and cos take radians, and go round {said}. If these are degrees, give them {cures}."


def _turns(look: Look, axis: int) -> float:
    """How many times an angle goes round, at most, from one end of an axis to the other."""
    logs = []
    for end in look.bounds[axis]:
        point = look.bounds.mean(1)
        point[axis] = end
        logs.append(_Angles())
        try:
            look.own.run_at(point, look.own.dtype, logs[-1])
        except Exception:
            return 0.0
    pairs = zip(*(log.taken for log in logs), strict=False)
    return max((float((one - two).abs().max()) for one, two in pairs if one.shape == two.shape), default=0.0) / math.tau
