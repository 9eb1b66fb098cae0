"""Parameter groups whose learning rates are decades apart, and what their steps do to the weights."""

import math
import weakref
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from gradwidgets.core.monitor.owners import Owned

_APART = 100.0  # times another group's rate
_GROUPS, _SAMPLES = 8, 48  # that are looked at
_NUMBERS, _MOST = 256, 1 << 20  # of a parameter: that are looked at; that it may have


class _Group:
    """One group, by the parameter that stands for it."""

    def __init__(self, rate: float, parameter: Tensor, names: list[str]) -> None:
        self.rate, self.names = rate, names
        self._parameter = weakref.ref(parameter)
        self._before: Tensor | None = None
        self.sizes: list[float] = []
        self.moves: list[float] = []

    def begins(self) -> None:
        """Before a step."""
        self._before = self._numbers()
        if self._before is not None:
            self.sizes += [size] if math.isfinite(size := _rms(self._before)) else []

    def ended(self) -> None:
        """After it."""
        before, self._before = self._before, None
        after = self._numbers()
        if before is not None and after is not None and before.shape == after.shape:
            self.moves += [size] if math.isfinite(size := _rms(after - before)) else []

    def _numbers(self) -> Tensor | None:
        parameter = self._parameter()
        if parameter is None:
            return None
        flat = parameter.detach().reshape(-1)
        return flat[:: -(-flat.numel() // _NUMBERS) | 1].double()


def _rms(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values)) / math.sqrt(values.numel())


class GroupRates:
    """Looks at the groups of the optimizer that steps, where a rate is a hundred times another's."""

    def __init__(self) -> None:
        self._looks = 0
        self._groups: list[_Group] = []
        self._optimizer: weakref.ref | None = None

    def begins(self, optimizer: object, held: Sequence[Owned]) -> None:
        """A sampled step is about to come."""
        if len(optimizer.param_groups) < 2 or self._looks >= _SAMPLES:
            return
        if self._optimizer is None:
            self._optimizer, self._groups = weakref.ref(optimizer), _groups_of(optimizer, held)
        if self._groups and self._optimizer() is optimizer:
            self._looks += 1
            for one in self._groups:
                one.begins()

    def ended(self) -> None:
        """It is over."""
        for one in self._groups:
            one.ended()

    @property
    def told(self) -> list[dict[str, object]]:
        """Nothing where rates are about alike.

        Returns:
            Of each group its "rate" at first, the "names" of what it holds, the sizes (root mean squares) of its
            weights at "first" and the "largest", and how far a step "moves" them, likewise.
        """
        return [
            {
                "rate": one.rate,
                "names": one.names,
                "first": one.sizes[0],
                "largest": max(one.sizes),
                "moves": median(one.moves),
            }
            for one in self._groups
            if one.moves
        ]


def _groups_of(optimizer: object, held: Sequence[Owned]) -> list[_Group]:
    """A group's largest parameter that is not too large stands for it; nothing where no rate is far above another."""
    names = {id(one.parameter): one.name for one in held if one.plain}
    found = []
    for group in optimizer.param_groups[:_GROUPS]:
        rate = float(group.get("lr", math.nan))
        some = [one for one in group["params"] if id(one) in names and one.grad is not None and one.numel() <= _MOST]
        if some and rate > 0:
            known = max(some, key=lambda one: (bool(one.detach().any()), one.numel()))
            found.append(_Group(rate, known, [names[id(one)] for one in some]))
    rates = [one.rate for one in found]
    return found if len(found) > 1 and max(rates) >= _APART * min(rates) else []
