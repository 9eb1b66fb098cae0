"""Torch's scheduler driven beside a run, and what it sets, read back at every step."""

import time
from collections.abc import Iterator
from typing import Any

from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.setting import settings_of
from gradwidgets.core.results.slices import SLICE, Slices
from gradwidgets.core.schedules.schedule import FAILURES, Schedule
from gradwidgets.core.schedules.stand_in import StandIn

# What torch's schedulers move, where an optimizer has it.
MOVED = ("lr", "momentum", "betas")


class Driven:
    """An optimizer under a schedule: its settings at the present step, and those at all steps before.

    Args:
        schedule: The schedule, which is driven as torch's own object.
        optimizer: The optimizer, with its settings before the schedule moves them.

    Attributes:
        rules: The optimizer as it is at each step so far, the present one last.

    Raises:
        ValueError: The schedule does not go with the optimizer, in torch's words; or what it sets at first is not
            allowed.
    """

    def __init__(self, schedule: Schedule, optimizer: Optimizer) -> None:
        self.schedule = schedule
        self._settings = [(f.name, s, f.default) for f, s in settings_of(optimizer) if f.name in MOVED]
        self._group: dict[str, Any] = {name: getattr(optimizer, name) for name, *_ in self._settings}
        self._last, self.rules = tuple(self._group.values()), [optimizer]
        try:
            stand_in = StandIn(self._group)
            self._scheduler = schedule.scheduler(stand_in)
        except FAILURES as error:
            raise ValueError(f"{schedule} cannot be computed: {str(error) or type(error).__name__}") from error
        stand_in.step()
        self._group = stand_in.param_groups[0]
        self.rules = [self._read()]

    def advance(self, loss: float = 0.0) -> None:
        """Take note of a step, from a point with this loss."""
        try:
            self.schedule.advance(self._scheduler, loss)
        except FAILURES as error:
            raise ValueError(
                f"{self.schedule} cannot be computed after step {len(self.rules)}: {str(error) or type(error).__name__}"
            ) from error
        self.rules.append(self._read())

    def present(self) -> Optimizer:
        """The optimizer for the present step.

        Raises:
            ValueError: The schedule has set what the optimizer does not allow, in torch's words.
        """
        rule = self.rules[-1]
        if len(self.rules) < 2 or rule is not self.rules[-2]:
            for name, setting, default in self._settings:
                try:
                    setting.check(name, getattr(rule, name), default)
                except ValueError as error:
                    raise ValueError(f"{error}, set for step {len(self.rules)} by {self.schedule}") from None
        return rule

    def _read(self) -> Optimizer:
        now = tuple(self._group[name] for name, *_ in self._settings)
        before, self._last = self._last, now
        if now == before:
            return self.rules[-1]
        return self.rules[-1].moved(**dict(zip((name for name, *_ in self._settings), now, strict=True)))


def driven(schedule: Schedule, optimizer: Optimizer, steps: int) -> Slices[list[Optimizer]]:
    """The optimizer at every step under a schedule that does not look at the loss.

    Args:
        schedule: The schedule.
        optimizer: The optimizer, with its settings before the schedule moves them.
        steps: The number of steps.

    Yields:
        The fraction done.

    Returns:
        Steps + 1 optimizers; the last is that of the step that would come next, and not checked.

    Raises:
        ValueError: As `Driven`, at any step; or the schedule is shorter than the run, in torch's words.
    """
    run, deadline = Driven(schedule, optimizer), time.perf_counter() + SLICE
    for k in range(steps):
        run.present()
        run.advance()
        if time.perf_counter() > deadline:
            yield (k + 1) / steps
            deadline = time.perf_counter() + SLICE
    return run.rules


def by_own_loss(run: Driven, losses: Iterator[float]) -> Iterator[Optimizer]:
    """The optimizer for each step of one path, driven by the losses that the path has met so far."""
    while True:
        yield run.present()
        run.advance(next(losses))
