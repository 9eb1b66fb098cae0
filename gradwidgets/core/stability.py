"""How large a learning rate may be: the linearised step and its spectral radius."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.objective import Objective
from gradwidgets.core.results import Result
from gradwidgets.core.sgd import SGD
from gradwidgets.core.subject.home import at_home

# A curvature smaller than this share of the larger one is taken for none.
FLAT = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class Stability(Result):
    """What one step does to a small displacement from a stationary point.

    Attributes:
        curvatures: Eigenvalues of the Hessian, ascending, (2,).
        spectral_radius: Largest factor by which the step, with all of the optimizer's settings, multiplies a
            displacement in the long run: below 1 it contracts, above 1 it grows. NaN without curvature.
        lr_limit: The largest lr that contracts, the other settings kept (at it, the step neither shrinks nor
            grows); flat directions, which no lr moves, are left out. None where no lr contracts: see `note`.
        optimal_lr: The lr of least spectral radius, the other settings kept; None likewise.
        stable: Whether the step contracts, flat directions left out.
        note: Why there is no limit, or what to know about it; "" otherwise.
    """

    curvatures: Tensor
    spectral_radius: float
    lr_limit: float | None
    optimal_lr: float | None
    stable: bool
    note: str = ""


@at_home
def stability(objective: Objective, optimizer: SGD, at: object = None) -> Stability:
    """Linearise the optimizer's step about a point and see what it contracts.

    Along each eigenvector of the Hessian, with eigenvalue λ, the step acts on (displacement, buffer) as a 2
    × 2 matrix. With λ′ = weight_decay + λ (− λ when maximizing), momentum m, dampening d and a = lr (1 − d)
    λ′, its trace and determinant are

        momentum 0   one number, 1 − lr λ′               contracts for lr λ′ < 2
        plain        T = 1 + m − a, D = m                contracts for a < 2 (1 + m)
        Nesterov     T = (1 + m)(1 − a), D = m (1 − a)   contracts for a < 2 (1 + m) / (1 + 2 m)

    The limit belongs to the largest λ′. The best lr balances the two: 2 / (λ₁′ + λ₂′), times (1 + m) / (1 −
    d) with plain momentum; for Nesterov it is found by bisection.

    Args:
        objective: Whose Hessian is used.
        optimizer: The settings.
        at: A point of shape (2,); by default the first known minimum, or where there is none the objective's
            start.

    Returns:
        The curvatures and what follows from them.

    Raises:
        TypeError: `at` is not made of numbers.
        ValueError: `at` is not a single point.

    References:
        B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964;
        E. I. Jury, Theory and Application of the z-Transform Method, 1964, for the conditions on T and D.
    """
    low, high = _eigenvalues(*_hessian(objective, at))
    curvatures = torch.tensor([low, high], dtype=torch.float64)

    def unlimited(radius: float, why: str) -> Stability:
        return Stability(curvatures, radius, None, None, False, why)

    if not objective.smooth:
        return unlimited(math.nan, "no curvature but at kinks: with any fixed lr the end hops about the minimum")
    if not (math.isfinite(low) and math.isfinite(high)):
        return unlimited(math.nan, "the curvature here is not finite")
    sign = -1.0 if optimizer.maximize else 1.0
    felt = [optimizer.weight_decay + sign * curvature for curvature in (low, high)]
    radius = max(_radius(optimizer, optimizer.lr, value) for value in felt)
    size = max(abs(low), abs(high), optimizer.weight_decay)
    steep = sorted(value for value in felt if abs(value) > FLAT * size)
    why = _why_never(optimizer, steep)
    if why:
        return unlimited(radius, why)
    best = _best_lr(optimizer, steep)
    if max(_radius(optimizer, best, value) for value in steep) >= 1:
        return unlimited(radius, f"no lr contracts: momentum {optimizer.momentum:g} never contracts both directions")
    stable = max(_radius(optimizer, optimizer.lr, value) for value in steep) < 1
    note = "" if len(steep) == 2 else "flat along one direction: the limit is the other one's"
    return Stability(curvatures, radius, _lr_limit(optimizer, steep), best, stable, note)


def _hessian(objective: Objective, at: object) -> tuple[float, float, float]:
    matrix = objective.hessian_at_minimum if at is None else None
    if matrix is None:
        matrix = objective.hessian(objective.start if at is None else at).tolist()
    (aa, ab), (_, bb) = matrix
    return aa, ab, bb


def _eigenvalues(aa: float, ab: float, bb: float) -> tuple[float, float]:
    mean, reach = (aa + bb) / 2, math.hypot((aa - bb) / 2, ab)
    # The one of larger size first; the other from the determinant, where the difference would cancel.
    large = mean + math.copysign(reach, mean)
    small = (aa * bb - ab * ab) / large if large else 0.0
    return min(large, small), max(large, small)


def _radius(s: SGD, lr: float, curvature: float) -> float:
    """Spectral radius of the step along one eigenvector; `curvature` is λ′ of `stability`."""
    if s.momentum == 0:
        return abs(1 - lr * curvature)
    a = lr * (1 - s.dampening) * curvature
    if a == 0:
        return max(1.0, s.momentum)
    if s.nesterov:
        trace, determinant = (1 + s.momentum) * (1 - a), s.momentum * (1 - a)
    else:
        trace, determinant = 1 + s.momentum - a, s.momentum
    squared = trace * trace - 4 * determinant
    return (abs(trace) + math.sqrt(squared)) / 2 if squared >= 0 else math.sqrt(determinant)


def _why_never(s: SGD, steep: list[float]) -> str:
    if not steep:
        return "no curvature here: nothing draws the point to any place"
    share = 1 - s.dampening if s.momentum else 1.0
    if share == 0:
        return "no lr contracts: with dampening 1 only the first gradient reaches the momentum buffer"
    if share * steep[0] < 0:
        if share < 0:
            return f"no lr contracts: dampening {s.dampening:g} is above 1 and turns the gradient round"
        return "uphill is away from here: no lr contracts" if s.maximize else "curvature below 0: no lr contracts"
    if s.momentum >= 1 and not s.nesterov:
        return f"no lr contracts: with momentum {s.momentum:g}, not below 1, nothing slows the motion down"
    return ""


def _lr_limit(s: SGD, steep: list[float]) -> float:
    m = s.momentum
    if s.nesterov:
        return 2 * (1 + m) / (1 + 2 * m) / steep[-1]
    return 2 * (1 + m) / _fed(s, steep)[-1]


def _best_lr(s: SGD, steep: list[float]) -> float:
    if not s.nesterov:
        fed = _fed(s, steep)
        return 2 * (1 + s.momentum) / (fed[0] + fed[-1])
    # Along each direction the radius falls until lr = 1 / λ′, where it is 0, and then rises: the larger of
    # the two is least where they cross.
    low, high = 1 / steep[-1], 1 / steep[0]
    for _ in range(60):
        middle = (low + high) / 2
        if _radius(s, middle, steep[-1]) < _radius(s, middle, steep[0]):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _fed(s: SGD, steep: list[float]) -> list[float]:
    """The curvatures as the momentum buffer is fed with them, ascending."""
    share = 1 - s.dampening if s.momentum else 1.0
    return sorted(share * value for value in steep)
