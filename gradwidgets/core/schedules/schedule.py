"""The base class of schedules: what is needed to drive torch's own scheduler, and to write it into a script."""

from abc import ABC
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar

import torch

from gradwidgets.core.optimizers.setting import settings_of
from gradwidgets.core.schedules.stand_in import StandIn

# What torch's schedulers raise, apart from a ValueError in words, at settings that they do not check.
FAILURES = (TypeError, ArithmeticError, AttributeError, NotImplementedError)


class Schedule(ABC):
    """A schedule: a frozen dataclass of its settings, named, set by default and refused as torch's class of that name.

    Nothing is computed here: `scheduler` makes the real object of `torch.optim.lr_scheduler`, which is then driven
    step by step. Of torch's arguments, `last_epoch`, which only resumes an interrupted run, is left out, and a list of
    values for several groups of parameters.

    Attributes:
        by_loss: Whether it looks at the loss, so that every path has a schedule of its own.
        meaning: What it does, in plain words.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    by_loss: ClassVar[bool] = False
    meaning: ClassVar[str] = ""

    def __post_init__(self) -> None:
        failure = None
        try:  # torch's own words first
            self.scheduler(StandIn({"lr": 1.0, "momentum": 0.5}))
        except FAILURES as error:
            failure = error
        for field, setting in settings_of(self):
            object.__setattr__(self, field.name, setting.check(field.name, getattr(self, field.name), field.default))
        if failure is not None:
            raise ValueError(f"{self} cannot be computed: {failure}") from failure

    def __str__(self) -> str:
        name, keywords = self.torch()
        return f"{name}({', '.join(f'{key}={value!s}' for key, value in keywords.items())})"

    def scheduler(self, optimizer: StandIn) -> Any:
        """The real object of torch, on an optimizer.

        Raises:
            ValueError: A setting is out of range, or does not go with the optimizer, in torch's words.
        """
        kind = getattr(torch.optim.lr_scheduler, type(self).__name__)
        return kind(optimizer, **{f.name: getattr(self, f.name) for f in fields(self)})

    def advance(self, scheduler: Any, loss: float) -> None:
        """Tell the real object that a step was taken, from a point with this loss."""
        scheduler.step()

    def torch(self) -> tuple[str, dict[str, object]]:
        """The name of torch's class, and its keyword arguments: the required and all non-default ones."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        defaults = {f.name: f.default for f in fields(self)}
        return type(self).__name__, {
            name: value for name, value in values.items() if defaults[name] is MISSING or value != defaults[name]
        }

    def source(self) -> str:
        """The expression that makes it on `optimizer`, in Python."""
        name, keywords = self.torch()
        written = "".join(f", {key}={value!r}" for key, value in keywords.items())
        return f"torch.optim.lr_scheduler.{name}(optimizer{written})"

    def setup(self) -> list[str]:
        """The lines of a script that make it, once `optimizer` is there."""
        return [f"scheduler = {self.source()}"]

    def after_step(self) -> list[str]:
        """The lines of a script that follow every step; `step` counts from 0, and `loss` is that of the step."""
        return ["scheduler.step()"]
