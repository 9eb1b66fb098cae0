"""Schedules along a cosine, once or with restarts."""

from dataclasses import dataclass
from typing import ClassVar

from gradwidgets.core.schedules.schedule import Schedule
from gradwidgets.core.schedules.schedule_setting import count, rate

_LEAST = "the lr at its lowest"


@dataclass(frozen=True)
class CosineAnnealingLR(Schedule):
    """Let lr fall to `eta_min` along half a cosine, see `torch.optim.lr_scheduler.CosineAnnealingLR`.

    After `T_max` steps it rises again; torch computes it from the last lr, not from the closed form.

    References:
        I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.
    """

    meaning: ClassVar[str] = "lr falls along half a cosine"

    T_max: int = count("the steps of half a cosine")
    eta_min: float = rate(_LEAST, 0.0)


@dataclass(frozen=True)
class CosineAnnealingWarmRestarts(Schedule):
    """Let lr fall along half a cosine, again and again, see `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.

    References:
        I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.
    """

    meaning: ClassVar[str] = "lr falls along half a cosine and jumps back, again and again"

    T_0: int = count("the steps until the first restart")
    T_mult: int = count("how many times longer each part is than the one before", 1)
    eta_min: float = rate(_LEAST, 0.0)
