"""ASGD with every setting of `torch.optim.ASGD`, as one pure step."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.linear_sgd import LinearSGD
from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.scalars import float32, over_power
from gradwidgets.core.optimizers.setting import lr, maximize, setting, weight_decay
from gradwidgets.core.optimizers.sgd import SGD


class ASGDState(NamedTuple):
    """The state that ASGD keeps.

    Attributes:
        steps: The number of steps taken.
        eta: The learning rate of the next step, in float32 as torch keeps it.
        share: How much the next point counts in the average, likewise.
        average: The average of the points since step t0, of the point's shape; the last point until then.
    """

    steps: int
    eta: float
    share: float
    average: Tensor


@dataclass(frozen=True)
class ASGD(Optimizer):
    """The settings of `torch.optim.ASGD` and the step they make.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        g ← g + weight_decay · p
        p ← p · (1 − lambd · η)
        p ← p − η · g
        a ← a + (p − a) / max(1, t − 1 − t0)
        η ← lr / (1 + lambd · lr · t)^alpha          (η = lr before the first step)

    The average a is in the state, and the descent does not depend on it.

    Attributes:
        lr: Learning rate, ≥ 0.
        lambd: Pulls the parameters towards 0, and makes the learning rate fall.
        alpha: The power by which it falls.
        t0: The step from which points are averaged.
        weight_decay: ≥ 0; added to the gradient.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last), in words of the same kind.

    References:
        B. T. Polyak and A. B. Juditsky, Acceleration of stochastic approximation by averaging, 1992;
        L. Bottou, Stochastic gradient descent tricks, 2012, for the learning rate.
    """

    autonomous: ClassVar[bool] = False  # the learning rate depends on the number of steps
    own_part: ClassVar[str] = "−η·gradient"
    nonlinear: ClassVar[str] = "no fixed limit: ASGD's learning rate falls from step to step"
    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay · p",
        "p = p · (1 − lambd · η) − η · g",
        "η = lr / (1 + lambd · lr · t)^alpha",
        "and from step t0 on, beside the path,",
        "a = a + (p − a) / (t − t0)",
    )

    lr: float = lr(1e-2)
    lambd: float = setting(
        1e-4,
        "pulls the parameters towards 0, and makes lr fall",
        "lambd value",
        least=-math.inf,
        stops=(1e-4, 10),
        scale="0 and log",
    )
    alpha: float = setting(
        0.75,
        "how fast lr falls: after t steps it is lr / (1 + lambd · lr · t) to this power",
        "alpha value",
        least=-math.inf,
        range=(0, 1),
        scale="near 1",
    )
    t0: float = setting(
        1e6,
        "the step from which the points are averaged; the path does not depend on it",
        "t0 value",
        least=-math.inf,
        stops=(1, 1e6),
        scale="0 and log",
    )
    weight_decay: float = weight_decay()
    maximize: bool = maximize()

    def init(self, point: Tensor) -> ASGDState:
        """Return the learning rate of the first step."""
        return ASGDState(0, float32(self.lr), 1.0, torch.zeros_like(point))

    def step(
        self, point: Tensor, gradient: Tensor, state: ASGDState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, ASGDState]:
        """Take one step, in `torch.optim.ASGD`'s order of operations, see `Optimizer.step`."""
        before = state or self.init(point)
        _, direction = self._begin(point, gradient)
        following = torch.add(point * (1 - self.lambd * before.eta), direction, alpha=-before.eta, out=out)
        return following, self._after(following, before)

    def parts(self, point: Tensor, gradient: Tensor, state: ASGDState) -> dict[str, Tensor]:
        """The step as gradient and as what pulls to 0, lambd and weight decay together, see `Optimizer.parts`."""
        found = self._shares(point, gradient, -state.eta)
        return found | {"weight decay": -state.eta * (self.lambd + self.weight_decay) * point}

    def linearised(self) -> LinearSGD | None:
        """SGD's step, if the learning rate does not fall: with lambd or alpha 0."""
        if self.lambd * self.alpha != 0:
            return None
        return LinearSGD(0.0, 0.0, self.weight_decay + self.lambd, False, self.maximize)

    def at_first(self) -> Optimizer:
        """SGD, with lambd as weight decay."""
        return SGD(self.lr, weight_decay=max(0.0, self.weight_decay + self.lambd), maximize=self.maximize)

    def _after(self, point: Tensor, state: ASGDState) -> ASGDState:
        steps, share = state.steps + 1, state.share
        average = point.clone() if share == 1 else (point - state.average).mul_(share).add_(state.average)
        eta = over_power(self.lr, 1 + self.lambd * self.lr * steps, self.alpha)
        return ASGDState(steps, float32(eta), float32(1 / max(1, steps - self.t0)), average)
