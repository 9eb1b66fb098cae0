"""Schedules that multiply the learning rate: at some steps, at every step, or until a last one."""

from dataclasses import dataclass
from typing import ClassVar

from gradwidgets.core.schedules.schedule import Schedule
from gradwidgets.core.schedules.schedule_setting import amount, count, milestones

_GAMMA = "what lr is multiplied by"


@dataclass(frozen=True)
class StepLR(Schedule):
    """Multiply lr by gamma every `step_size` steps, see `torch.optim.lr_scheduler.StepLR`."""

    meaning: ClassVar[str] = "lr falls by a factor at regular steps"

    step_size: int = count("how many steps lie between two falls")
    gamma: float = amount(_GAMMA, 0.1)


@dataclass(frozen=True)
class MultiStepLR(Schedule):
    """Multiply lr by gamma at each milestone, see `torch.optim.lr_scheduler.MultiStepLR`."""

    meaning: ClassVar[str] = "lr falls by a factor at chosen steps"

    milestones: tuple[int, ...] = milestones("the steps after which lr falls")
    gamma: float = amount(_GAMMA, 0.1)


@dataclass(frozen=True)
class ConstantLR(Schedule):
    """Multiply lr by a factor for the first `total_iters` steps, see `torch.optim.lr_scheduler.ConstantLR`."""

    meaning: ClassVar[str] = "lr is lower for some steps, and then itself"

    factor: float = amount("the share of lr at first", 1.0 / 3)
    total_iters: int = count("how many steps lr is lower", 5, least=0)


@dataclass(frozen=True)
class LinearLR(Schedule):
    """Go from one share of lr to another in equal steps, see `torch.optim.lr_scheduler.LinearLR`."""

    meaning: ClassVar[str] = "lr rises, or falls, along a straight line: a warm-up"

    start_factor: float = amount("the share of lr at first", 1.0 / 3)
    end_factor: float = amount("the share of lr at last", 1.0)
    total_iters: int = count("how many steps it takes", 5, least=0)


@dataclass(frozen=True)
class ExponentialLR(Schedule):
    """Multiply lr by gamma at every step, see `torch.optim.lr_scheduler.ExponentialLR`."""

    meaning: ClassVar[str] = "lr falls by the same factor at every step"

    gamma: float = amount(_GAMMA)


@dataclass(frozen=True)
class PolynomialLR(Schedule):
    """Let lr fall to 0 like (1 − step / total_iters)^power, see `torch.optim.lr_scheduler.PolynomialLR`."""

    meaning: ClassVar[str] = "lr falls to 0 along a line or a power of it"

    total_iters: int = count("the step at which lr is 0", 5, least=0)
    power: float = amount("1 for a line; larger falls fast at first", 1.0, (0.1, 5.0))
