"""The learning rates of all steps, sampled or not, kept where they change."""

from array import array
from collections.abc import Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.monitor.kept_rows import evenly
from gradwidgets.core.monitor.training.optimizer_settings import Swings

_MOST = 20_000  # changes that are kept
_PLAIN = {float}


class RateCourse:
    """Follows the rates of an optimizer's groups.

    A rate that is a tensor is left out, since reading it could wait for a device; nothing is known of it then.

    Attributes:
        swings: How often the first group's rate goes down and up again.
        of: How many steps there were for which several losses were noted and whose rate had changed since the one
            before.
        hurried: At how many of these the rate changed between two of the losses.
        changes: How many such changes there were.
    """

    def __init__(self) -> None:
        self.swings = Swings()
        self.of = self.hurried = self.changes = 0
        self._last: list[float] | None = None
        self._noted: float | None = None
        self._now, self._moved = 0, False
        self._steps, self._highest, self._lowest = array("q"), array("d"), array("d")

    def step(self, groups: Sequence[dict[str, Any]], step: int) -> None:
        """Take the rates of these groups at a step."""
        rates: list[Any] = [group.get("lr") for group in groups]
        kinds = set(map(type, rates))
        if kinds and (kinds == _PLAIN or all(issubclass(one, Real) for one in kinds)) and rates != self._last:
            self._take(rates, step)

    def _take(self, rates: list[float], step: int) -> None:
        self._last = rates
        self.swings.step(rates[0], step)
        if len(self._steps) >= _MOST:
            kept = evenly(torch.tensor(self._steps), _MOST // 2).tolist()
            self._steps = array("q", [self._steps[k] for k in kept])
            self._highest, self._lowest = (array("d", [one[k] for k in kept]) for one in (self._highest, self._lowest))
        self._steps.append(step)
        self._highest.append(max(rates))
        self._lowest.append(min(rates))

    def noted(self, groups: Sequence[dict[str, Any]], waiting: int) -> None:
        """Look at the rate when a loss is noted, the `waiting`-th since the last step."""
        rate = groups[0].get("lr") if groups else None
        if isinstance(rate, float) and self._noted is not None and rate != self._noted:
            self._moved = True
            self._now += waiting > 1
        self._noted = rate if isinstance(rate, float) else None

    def passed(self, waiting: int) -> None:
        """Count a step that comes after this many losses."""
        if waiting > 1 and self._moved:
            self.of += 1
            self.hurried += self._now > 0
            self.changes += self._now
        self._now, self._moved = 0, False

    @property
    def told(self) -> dict[str, Tensor]:
        """The steps at which rates change, the highest rate of the groups from there on and the lowest, as tensors."""
        if not self._steps:
            return {}
        highest, lowest = (torch.tensor(one, dtype=torch.float64) for one in (self._highest, self._lowest))
        return {"rate_steps": torch.tensor(self._steps), "highest_rates": highest, "lowest_rates": lowest}

    @property
    def calls(self) -> dict[str, int]:
        """At how many "steps" "of" those with several losses the rate changed between these, and all "changes"."""
        return {"of": self.of, "steps": self.hurried, "changes": self.changes} if self.hurried else {}
