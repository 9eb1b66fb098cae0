"""Stochastic gradient descent with every setting of `torch.optim.SGD`, as one pure step."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gradwidgets.core.optimizers.linear_sgd import LinearSGD
from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.setting import lr, maximize, momentum, setting, weight_decay


@dataclass(frozen=True)
class SGD(Optimizer):
    """The settings of `torch.optim.SGD` and the step they define.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        d ← g + weight_decay · p
        b ← d at t = 1, then momentum · b + (1 − dampening) · d      (only if momentum ≠ 0)
        u ← d + momentum · b if nesterov else b                       (d if momentum = 0)
        p ← p − lr · u

    so that the first step is not dampened, and weight decay pulls to the origin even when maximizing.

    Attributes:
        lr: Learning rate, ≥ 0.
        momentum: ≥ 0. Values of 1 and more are allowed, as in torch, but then the motion never dies out.
        dampening: Fraction of the gradient kept out of the buffer; any finite number, as in torch.
        weight_decay: ≥ 0.
        nesterov: Whether to use Nesterov momentum; needs momentum > 0 and dampening = 0.
        maximize: Whether to ascend instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last two), in words of the same kind.
    """

    autonomous: ClassVar[bool] = True
    formula: ClassVar[tuple[str, ...]] = (
        "d = g + weight_decay · p",
        "b = momentum · b + (1 − dampening) · d, at first b = d",
        "p = p − lr · b",
        "with nesterov: p = p − lr · (d + momentum · b)",
    )

    lr: float = lr()
    momentum: float = momentum()
    dampening: float = setting(
        0.0,
        "how much of the gradient stays out of the momentum",
        "dampening value",
        least=-math.inf,
        range=(0, 1),
    )
    weight_decay: float = weight_decay()
    nesterov: bool = setting(
        False, "Nesterov: take the gradient after the momentum has moved; needs momentum above 0 and dampening 0"
    )
    maximize: bool = maximize()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def step(
        self, point: Tensor, gradient: Tensor, state: Tensor | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Take one step, in `torch.optim.SGD`'s order of operations, see `Optimizer.step`.

        The state is the momentum buffer: None at the first step, and as long as momentum is 0.
        """
        point, direction = self._begin(point, gradient)
        if self.momentum != 0:
            if state is None:
                state = direction.clone()
            else:
                state = torch.mul(state, self.momentum).add_(direction, alpha=1 - self.dampening)
            direction = torch.add(direction, state, alpha=self.momentum) if self.nesterov else state
        return torch.add(point, direction, alpha=-self.lr, out=out), state

    def parts(self, point: Tensor, gradient: Tensor, state: Tensor | None) -> dict[str, Tensor]:
        """The step as gradient, weight decay and momentum, see `Optimizer.parts`."""
        # How much of this step's own direction goes into the update, and how much of the buffer before it.
        own, carried = (1.0, 0.0) if state is None else (1 - self.dampening, self.momentum)
        if self.nesterov:
            own, carried = 1 + self.momentum * own, self.momentum * carried
        found = self._shares(point, gradient, -self.lr * own)
        if carried and state is not None:
            found["momentum"] = -self.lr * carried * state
        return found

    def lookahead(self, point: Tensor, state: Tensor | None) -> Tensor | None:
        """With Nesterov, where momentum alone would carry the point: point − lr · momentum · buffer."""
        if not self.nesterov:
            return None
        return point.clone() if state is None else torch.add(point, state, alpha=-self.lr * self.momentum)

    def linearised(self) -> LinearSGD:
        """The step on displacement and buffer, see `LinearSGD`."""
        return LinearSGD(self.momentum, self.dampening, self.weight_decay, self.nesterov, self.maximize)
