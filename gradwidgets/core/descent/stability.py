"""The largest stable learning rate: the linearized step and its spectral radius."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.optimizers import Optimizer
from gradwidgets.core.results.result import Result
from gradwidgets.core.subject.home import at_home

# A curvature smaller than this fraction of the larger one counts as zero.
FLAT = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class Stability(Result):
    """What one step does to a small displacement from a stationary point.

    Attributes:
        curvatures: Eigenvalues of the Hessian, ascending, (2,).
        spectral_radius: The largest factor by which the step, with all of the optimizer's settings, multiplies a
            displacement in the long run: below 1 it contracts, above 1 it grows. NaN without curvature.
        lr_limit: The largest lr that contracts, with the other settings unchanged (at the limit, the step neither
            shrinks nor grows); flat directions, which no lr moves, are left out. None if no lr contracts: see `note`.
        optimal_lr: The lr of least spectral radius, with the other settings unchanged; None likewise.
        stable: Whether the step contracts, ignoring flat directions.
        note: Why there is no limit, or a remark on it; "" otherwise.
    """

    curvatures: Tensor
    spectral_radius: float
    lr_limit: float | None
    optimal_lr: float | None
    stable: bool
    note: str = ""


@at_home
def stability(objective: Objective, optimizer: Optimizer, at: object = None) -> Stability:
    """Linearize the optimizer's step around a point and compute when it contracts.

    Along each eigenvector of the Hessian the step is linear, with a radius, a largest stable lr and a best one; see
    `LinearSGD` for the formulas. The largest stable lr is set by the largest curvature; the best one balances the
    two. An optimizer whose step is not linear, like Adam or Rprop, has no limit, and `note` says why.

    Args:
        objective: The objective, whose Hessian is used.
        optimizer: The optimizer, with its settings.
        at: A point of shape (2,); by default the first known minimum, or the objective's start if no minimum is
            known.

    Returns:
        The curvatures and what follows from them.

    Raises:
        TypeError: `at` is not made of numbers.
        ValueError: `at` is not a single point.
    """
    low, high = _eigenvalues(*_hessian(objective, at))
    curvatures = torch.tensor([low, high], dtype=torch.float64)

    def unlimited(radius: float, why: str) -> Stability:
        return Stability(curvatures, radius, None, None, False, why)

    if not objective.smooth:
        return unlimited(
            math.nan, "no limit, straight except at kinks: with any fixed lr the end hops about the minimum"
        )
    if not (math.isfinite(low) and math.isfinite(high)):
        return unlimited(math.nan, "the curvature here is not finite")
    step = optimizer.linearised()
    if step is None:
        return unlimited(math.nan, optimizer.nonlinear)
    felt = [step.felt(curvature) for curvature in (low, high)]
    # Rounding is relative to the terms of the effective curvatures, which may cancel.
    size = max(abs(low), abs(high), abs(step.felt(0.0)))
    steep = sorted(value for value in felt if abs(value) > FLAT * size)

    def radius(lr: float, values: list[float]) -> float:
        return max(step.radius(lr, value) for value in values)

    now = radius(optimizer.lr, felt)
    why = step.why_never(steep) if steep else "no curvature here: nothing pulls the point anywhere"
    if why:
        return unlimited(now, why)
    best = step.optimal_lr(steep)
    if radius(best, steep) >= 1:
        return unlimited(now, step.why_not_all())
    note = "" if len(steep) == 2 else "flat along one direction: the limit is that of the other"
    return Stability(curvatures, now, step.lr_limit(steep), best, radius(optimizer.lr, steep) < 1, note)


def _hessian(objective: Objective, at: object) -> tuple[float, float, float]:
    known = objective.hessian_at_minimum if at is None else None
    (aa, ab), (_, bb) = known or objective.hessian(objective.start if at is None else at).tolist()
    return aa, ab, bb


def _eigenvalues(aa: float, ab: float, bb: float) -> tuple[float, float]:
    mean, reach = (aa + bb) / 2, math.hypot((aa - bb) / 2, ab)
    # The larger one in magnitude first; the other from the determinant, since the difference would cancel.
    large = mean + math.copysign(reach, mean)
    small = (aa * bb - ab * ab) / large if large else 0.0
    return min(large, small), max(large, small)
