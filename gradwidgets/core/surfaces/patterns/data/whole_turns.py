"""Sines and cosines of what goes round more than once in view: degrees, where radians are meant."""

import math

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradwidgets.core.results.wording import number
from gradwidgets.core.surfaces.patterns.look import Look

_TURNS = 1.2  # over the view of one parameter: nobody looks at so many in radians
_CIRCULAR = frozenset(("sin", "cos"))


class _Angles(TorchFunctionMode):
    """Keeps what sines and cosines are taken of."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "").strip("_") in _CIRCULAR and isinstance(args[0], Tensor):
            self.taken.append(args[0].detach().double().clone())
        return func(*args, **(kwargs or {}))

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Nothing: the way forward has them all."""


def in_degrees(look: Look) -> str:
    """What to do about sines of a parameter that goes round more than once over its view; "" where none does."""
    if look.view is None:
        return ""
    found = {}
    for axis, name in enumerate(look.names):
        ends = [look.bounds.mean(1), look.bounds.mean(1)]
        ends = [end.clone().index_fill(0, torch.tensor([axis]), float(look.bounds[axis, k])) for k, end in enumerate(ends)]
        logs = [_Angles(), _Angles()]
        try:
            for end, log in zip(ends, logs, strict=True):
                look.own.run_at(end, look.own.dtype, log)
        except Exception:
            return ""
        gaps = [float((one - two).abs().max()) for one, two in zip(*(log.taken for log in logs), strict=False)]
        if gaps and max(gaps) >= _TURNS * math.tau:
            found[name] = max(gaps) / math.tau
    if not found:
        return ""
    turns = " and ".join(f"{number(turn, 2)} turns over the view of {name}" for name, turn in found.items())
    cures = " and ".join(f"torch.deg2rad({name})" for name in found)
    return f"sin and cos take radians, and go round {turns}. If these are degrees, give them {cures}."
