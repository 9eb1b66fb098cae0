"""Parameter groups whose learning rates are a hundred times apart, and how far their steps move the weights."""

import math
import weakref
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from gradwidgets.core.monitor.facts import GroupFacts
from gradwidgets.core.monitor.owners import Owned

_APART = 100.0  # times another group's rate
_GROUPS, _SAMPLES = 8, 48  # that are looked at
_NUMBERS, _MOST = 256, 1 << 20  # numbers of a parameter that are looked at; the most that it may have


class _Group:
    """One group, of which one parameter is looked at."""

    def __init__(self, rate: float, parameter: Tensor, names: list[str]) -> None:
        self.rate, self.names = rate, names
        self._parameter = weakref.ref(parameter)
        self._before: Tensor | None = None
        self.sizes: list[float] = []
        self.moves: list[float] = []

    def begins(self) -> None:
        """Copy the numbers before a step."""
        self._before = self._numbers()
        if self._before is not None:
            self.sizes += [size] if math.isfinite(size := _rms(self._before)) else []

    def ended(self) -> None:
        """Compare the numbers after the step."""
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
    """Looks at the groups of the first optimizer with several, if one rate is a hundred times another."""

    def __init__(self) -> None:
        self._looks = 0
        self._groups: list[_Group] = []
        self._optimizer: weakref.ref[torch.optim.Optimizer] | None = None

    def begins(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned]) -> None:
        """Look at the weights before a sampled step."""
        if len(optimizer.param_groups) < 2 or self._looks >= _SAMPLES:
            return
        if self._optimizer is None:
            self._optimizer, self._groups = weakref.ref(optimizer), _groups_of(optimizer, held)
        if self._groups and self._optimizer() is optimizer:
            self._looks += 1
            for one in self._groups:
                one.begins()

    def ended(self) -> None:
        """Look at the weights after it."""
        for one in self._groups:
            one.ended()

    @property
    def told(self) -> list[GroupFacts]:
        """The groups; none where the rates are about alike.

        Returns:
            For each group its "rate" at first, the "names" of its parameters, the size (root mean square) of its
            weights at "first" and the "largest", and by how much a step "moves" them.
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


def _groups_of(optimizer: torch.optim.Optimizer, held: Sequence[Owned]) -> list[_Group]:
    """The groups, each by its largest parameter that is not too large; none where no rate is far above another."""
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
