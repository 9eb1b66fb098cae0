"""Rprop with every setting of `torch.optim.Rprop`, as one pure step."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.setting import lr, maximize, setting


class RpropState(NamedTuple):
    """The state that Rprop keeps.

    Attributes:
        before: The last gradient, of the point's shape; 0 where it was forgotten.
        size: How long the next step of each parameter is.
    """

    before: Tensor
    size: Tensor


@dataclass(frozen=True)
class Rprop(Optimizer):
    """The settings of `torch.optim.Rprop` and the step they make.

    With g the gradient at point p (−g when `maximize`), each step does, for every parameter by itself,

        size ← size · η⁺ if g has the sign of the gradient before, size · η⁻ if it has the other one
        size is kept between the two step sizes
        g ← 0 if the sign has changed                     (remembered as 0: the next step keeps its size)
        p ← p − sign(g) · size

    so that only the signs of gradients count, and where one has changed the parameter rests for a step.

    Attributes:
        lr: The size of the first step, ≥ 0; η and the step sizes rule over all others.
        etas: (η⁻, η⁺), with 0 < η⁻ < 1 < η⁺.
        step_sizes: The shortest and the longest step.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last), in words of the same kind.

    References:
        M. Riedmiller and H. Braun, A direct adaptive method for faster backpropagation learning: the RPROP
        algorithm, 1993.
    """

    autonomous: ClassVar[bool] = True
    own_part: ClassVar[str] = "−s·sign"
    nonlinear: ClassVar[str] = "no fixed limit: Rprop steps by the signs of gradients, in sizes that it adapts"
    formula: ClassVar[tuple[str, ...]] = (
        "same sign as before: s = s · η⁺",
        "another sign: s = s · η⁻, g = 0",
        "p = p − s · sign(g)",
        "etas = (η⁻, η⁺), at first s = lr",
        "s stays within step_sizes",
    )

    lr: float = lr(1e-2)
    etas: tuple[float, float] = setting(
        (0.5, 1.2),
        "what a step's size is multiplied by: where the gradient changed its sign, and where it kept it",
        "eta value",
        least=-math.inf,
        range=(0, 10),
    )
    step_sizes: tuple[float, float] = setting(
        (1e-6, 50.0), "the shortest and the longest step of a parameter", "step size", least=-math.inf
    )
    maximize: bool = maximize()

    def __post_init__(self) -> None:
        given = self.etas
        super().__post_init__()
        if not 0.0 < self.etas[0] < 1.0 < self.etas[1]:
            raise ValueError(f"Invalid eta values: {given[0]}, {given[1]}")

    def init(self, point: Tensor) -> RpropState:
        """Return a first step of lr."""
        return RpropState(torch.zeros_like(point), torch.full_like(point, self.lr))

    def step(
        self, point: Tensor, gradient: Tensor, state: RpropState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, RpropState]:
        """Take one step, in `torch.optim.Rprop`'s order of operations, see `Optimizer.step`."""
        state = self._after(point, gradient, state or self.init(point))
        return torch.addcmul(point, state.before.sign(), state.size, value=-1, out=out), state

    def parts(self, point: Tensor, gradient: Tensor, state: RpropState) -> dict[str, Tensor]:
        """The whole step comes from the gradient's sign, see `Optimizer.parts`.

        Earlier gradients have set its size, but none of them is a vector in it.
        """
        after = self._after(point, gradient, state)
        return {"gradient": -after.before.sign() * after.size}

    def _after(self, point: Tensor, gradient: Tensor, state: RpropState) -> RpropState:
        _, direction = self._begin(point, gradient)
        agrees, (less, more) = direction * state.before, self.etas
        changed = agrees < 0
        size = torch.where(changed, state.size * less, torch.where(agrees > 0, state.size * more, state.size))
        return RpropState(direction.masked_fill(changed, 0.0), size.clamp_(*self.step_sizes))
