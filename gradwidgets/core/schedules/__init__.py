"""The schedules of the learning rate, each torch's own, driven step by step beside a run.

`SCHEDULES` is the list, by the names of torch's classes; "constant" is none. `warm_up` puts a linear warm-up before
any of them.
"""

from gradwidgets.core.schedules.annealing import CosineAnnealingLR, CosineAnnealingWarmRestarts
from gradwidgets.core.schedules.cyclic import CyclicLR, OneCycleLR
from gradwidgets.core.schedules.decaying import (
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from gradwidgets.core.schedules.plateau import ReduceLROnPlateau
from gradwidgets.core.schedules.schedule import Schedule
from gradwidgets.core.schedules.warm_up import SequentialLR, WarmedUpPlateau, warm_up

SCHEDULES: dict[str, type[Schedule] | None] = {
    "constant": None,
    "StepLR": StepLR,
    "MultiStepLR": MultiStepLR,
    "ConstantLR": ConstantLR,
    "LinearLR": LinearLR,
    "ExponentialLR": ExponentialLR,
    "CosineAnnealingLR": CosineAnnealingLR,
    "CosineAnnealingWarmRestarts": CosineAnnealingWarmRestarts,
    "OneCycleLR": OneCycleLR,
    "PolynomialLR": PolynomialLR,
    "CyclicLR": CyclicLR,
    "ReduceLROnPlateau": ReduceLROnPlateau,
    "SequentialLR": SequentialLR,
}

__all__ = ["SCHEDULES", "Schedule", "WarmedUpPlateau", "warm_up"]
