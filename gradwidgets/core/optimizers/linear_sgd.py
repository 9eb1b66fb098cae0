"""SGD's step along one eigenvector of the Hessian: when it contracts, and up to which learning rate."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LinearSGD:
    """SGD near a minimum, where it acts on (displacement, buffer) as a 2 × 2 matrix of trace T and determinant D.

    With λ′ the effective curvature, momentum m, dampening d and a = lr (1 − d) λ′,

        momentum 0   a scalar, 1 − lr λ′                 contracts for lr λ′ < 2
        plain        T = 1 + m − a, D = m                contracts for a < 2 (1 + m)
        Nesterov     T = (1 + m)(1 − a), D = m (1 − a)   contracts for a < 2 (1 + m) / (1 + 2 m)

    Attributes:
        momentum: As in `SGD`.
        dampening: As in `SGD`.
        weight_decay: As in `SGD`.
        nesterov: As in `SGD`.
        maximize: As in `SGD`.

    References:
        B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964;
        E. I. Jury, Theory and Application of the z-Transform Method, 1964, for the conditions on T and D.
    """

    momentum: float
    dampening: float
    weight_decay: float
    nesterov: bool
    maximize: bool

    def felt(self, curvature: float) -> float:
        """λ′ = weight_decay + λ, or − λ when maximizing."""
        return self.weight_decay + (-curvature if self.maximize else curvature)

    def radius(self, lr: float, felt: float) -> float:
        """The spectral radius of the step."""
        m = self.momentum
        if m == 0:
            return abs(1 - lr * felt)
        a = lr * (1 - self.dampening) * felt
        if a == 0:
            return max(1.0, m)
        trace, determinant = ((1 + m) * (1 - a), m * (1 - a)) if self.nesterov else (1 + m - a, m)
        squared = trace * trace - 4 * determinant
        return (abs(trace) + math.sqrt(squared)) / 2 if squared >= 0 else math.sqrt(determinant)

    def why_never(self, felt: list[float]) -> str:
        """Why no lr contracts these curvatures, ascending; "" if one may."""
        share = self._gradient_share()
        if share == 0:
            return "no lr is stable: with dampening 1 only the first gradient reaches the momentum buffer"
        if share * felt[0] < 0:
            if share < 0:
                return f"no lr is stable: dampening {self.dampening:g} is above 1 and reverses the gradient"
            up = "uphill is away from here: no lr is stable"
            return up if self.maximize else "curvature below 0: no lr is stable"
        if self.momentum >= 1 and not self.nesterov:
            return f"no lr is stable: with momentum {self.momentum:g}, not below 1, nothing slows the motion down"
        return ""

    def why_not_all(self) -> str:
        """Why even the best lr does not contract all of them at once."""
        return f"no lr is stable: with momentum {self.momentum:g} never along both directions"

    def lr_limit(self, felt: list[float]) -> float:
        """The limit for the largest of these curvatures."""
        m = self.momentum
        if self.nesterov:
            return 2 * (1 + m) / (1 + 2 * m) / felt[-1]
        return 2 * (1 + m) / self._scaled(felt)[-1]

    def optimal_lr(self, felt: list[float]) -> float:
        """The lr that balances the two: 2 / (λ₁′ + λ₂′), times (1 + m) / (1 − d) with plain momentum."""
        if not self.nesterov:
            scaled = self._scaled(felt)
            return 2 * (1 + self.momentum) / (scaled[0] + scaled[-1])
        # Along each direction the radius falls until lr = 1 / λ′, where it is 0, and then rises: the larger of
        # the two is least where they cross.
        low, high = 1 / felt[-1], 1 / felt[0]
        for _ in range(60):
            middle = (low + high) / 2
            if self.radius(middle, felt[-1]) < self.radius(middle, felt[0]):
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def _gradient_share(self) -> float:
        return 1 - self.dampening if self.momentum else 1.0

    def _scaled(self, felt: list[float]) -> list[float]:
        """The curvatures scaled by the share of the gradient that enters the buffer, ascending."""
        return sorted(self._gradient_share() * value for value in felt)
