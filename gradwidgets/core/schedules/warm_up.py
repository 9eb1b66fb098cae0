"""Schedules one after another: a linear warm-up before any of them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from gradwidgets.core.optimizers.setting import Setting
from gradwidgets.core.schedules.decaying import LinearLR
from gradwidgets.core.schedules.plateau import ReduceLROnPlateau
from gradwidgets.core.schedules.schedule import Schedule
from gradwidgets.core.schedules.schedule_setting import Milestones
from gradwidgets.core.schedules.stand_in import StandIn


@dataclass(frozen=True)
class _Schedules(Setting):
    def check(self, name: str, value: object, default: object) -> object:
        """Return them as a tuple; torch refuses those that are none."""
        return tuple(value)  # type: ignore[arg-type]  # `scheduler` has gone through it


@dataclass(frozen=True)
class SequentialLR(Schedule):
    """One schedule after another, each from its milestone on, see `torch.optim.lr_scheduler.SequentialLR`.

    Attributes:
        schedulers: Schedules, all but `ReduceLROnPlateau`; torch cannot begin another `SequentialLR` in the middle.
        milestones: The steps after which the second, third, … begin.
    """

    meaning: ClassVar[str] = "one schedule after another"

    schedulers: tuple[Schedule, ...] = field(metadata={"setting": _Schedules("the schedules, in order")})
    milestones: tuple[int, ...] = field(metadata={"setting": Milestones("the steps after which the next one begins")})

    def __post_init__(self) -> None:
        if not isinstance(self.schedulers, (tuple, list)):
            raise TypeError(f"schedulers must be schedules; got {self.schedulers!r:.60}")
        for i, one in enumerate(self.schedulers):
            if not isinstance(one, Schedule):
                raise TypeError(f"SequentialLR at index {i} should be a schedule; got {one!r:.60}")
        super().__post_init__()

    def scheduler(self, optimizer: StandIn) -> Any:
        """See `Schedule.scheduler`."""
        parts = [one.scheduler(optimizer) for one in self.schedulers]
        return torch.optim.lr_scheduler.SequentialLR(optimizer, parts, list(self.milestones))

    def source(self) -> str:
        """See `Schedule.source`."""
        parts = "".join(f"        {one.source()},\n" for one in self.schedulers)
        milestones = list(self.milestones)
        return f"torch.optim.lr_scheduler.SequentialLR(optimizer, [\n{parts}    ], milestones={milestones})"


class _WarmThenPlateau:
    def __init__(self, warm_up: Any, plateau: Any, steps: int) -> None:
        self.warm_up, self.plateau, self.left = warm_up, plateau, steps

    def step(self, loss: float) -> None:
        self.left -= 1
        if self.left >= 0:
            self.warm_up.step()
        else:
            self.plateau.step(loss)


@dataclass(frozen=True)
class WarmedUpPlateau(Schedule):
    """A linear warm-up, and only then `ReduceLROnPlateau`, which torch's `SequentialLR` does not take.

    Attributes:
        linear: The warm-up; the other begins after its `total_iters` steps.
        plateau: What follows.
    """

    by_loss: ClassVar[bool] = True
    meaning: ClassVar[str] = f"{LinearLR.meaning}; then {ReduceLROnPlateau.meaning}"

    linear: LinearLR = field(metadata={"setting": Setting("the warm-up")})
    plateau: ReduceLROnPlateau = field(metadata={"setting": Setting("what follows")})

    def __post_init__(self) -> None:
        if not isinstance(self.linear, LinearLR) or not isinstance(self.plateau, ReduceLROnPlateau):
            raise TypeError("WarmedUpPlateau takes a LinearLR and a ReduceLROnPlateau")

    def scheduler(self, optimizer: StandIn) -> Any:
        """See `Schedule.scheduler`."""
        warm_up = self.linear.scheduler(optimizer)
        return _WarmThenPlateau(warm_up, self.plateau.scheduler(optimizer), self.linear.total_iters)

    def advance(self, scheduler: Any, loss: float) -> None:
        """See `Schedule.advance`."""
        scheduler.step(loss)

    def setup(self) -> list[str]:
        """See `Schedule.setup`."""
        return [f"warm_up = {self.linear.source()}", *self.plateau.setup()]

    def after_step(self) -> list[str]:
        """See `Schedule.after_step`."""
        after = [f"    {line}" for line in self.plateau.after_step()]
        return [f"if step < {self.linear.total_iters}:", "    warm_up.step()", "else:", *after]


def warm_up(schedule: Schedule | None, steps: int, start_factor: float = 1.0 / 3) -> Schedule:
    """Put a linear warm-up before a schedule: torch's LinearLR, then the other from its beginning.

    Args:
        schedule: What follows; None for a constant lr.
        steps: The steps of the warm-up, above 0: the step after them is the first at full lr.
        start_factor: The share of lr at the first step, above 0 and at most 1.

    Returns:
        A `SequentialLR`; for None, the `LinearLR` alone; for `ReduceLROnPlateau`, a `WarmedUpPlateau`.

    Raises:
        TypeError: `schedule` is none.
        ValueError: `steps` or `start_factor` is out of range, in torch's words.
    """
    if steps == 0:
        raise ValueError("Expected positive integer steps, but got 0")
    linear = LinearLR(start_factor=start_factor, total_iters=steps)
    if schedule is None:
        return linear
    if isinstance(schedule, ReduceLROnPlateau):
        return WarmedUpPlateau(linear, schedule)
    if isinstance(schedule, WarmedUpPlateau):
        raise ValueError("this schedule has a warm-up already")
    if isinstance(schedule, SequentialLR):  # torch's cannot begin another one
        later = (steps + at for at in schedule.milestones)
        return SequentialLR((linear, *schedule.schedulers), (steps, *later))
    return SequentialLR((linear, schedule), (steps,))
